"""One module for each real program: NEEDS (its commands), WHERE (names and users it runs under), run(pod, variant)."""

EVERYWHERE = [("kernel", "root"), ("shim", "root"), ("kernel", "user"), ("shim", "user")]
