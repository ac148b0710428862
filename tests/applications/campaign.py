"""Runs real programs in pods through three rounds each. Called by scripts/campaign-programs: BINARIES [OPTIONS]."""
import argparse
import importlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from pod import PATH, TEST_USER, Failed, Pod

HERE = os.path.dirname(os.path.abspath(__file__))


def modules():
    """The programs: a module each, with NEEDS, WHERE (or where(variant)) and run(pod, variant)."""
    names = sorted(name[:-3] for name in os.listdir(HERE + "/programs") if name.endswith(".py") and name[0] != "_")
    return {name: importlib.import_module("programs." + name) for name in names}


def missing(module):
    return [program for program in module.NEEDS if not (os.path.exists(program) if "/" in program else shutil.which(program, path=PATH))]


def one(binaries, program, variant, names, user, keep, control):
    """One case, in this process; prints its outcome."""
    module = importlib.import_module("programs." + program)
    pod = Pod(binaries, program, names, user, control)
    failed = False
    try:
        module.run(pod, variant)
        for made, back, size in pod.times:
            print(f"TIMES {made:.3f} {back:.3f} {size}")
    except (Failed, subprocess.TimeoutExpired, KeyboardInterrupt, OSError) as error:
        failed = True
        print(f"FAILED {error!r} in round {pod.rounds}".replace("\n", " | "))
        traceback.print_exc()
        print("pod's log:", pod.autopod("logs", "p", check=False)[-1500:])
        print("files:", pod.directory)
    finally:
        try:
            pod.close(keep and failed)
        except Failed as error:
            failed = True
            print(f"FAILED {error}")
    return failed


def main():
    parser = argparse.ArgumentParser(prog="campaign-programs", description="Real programs through three checkpoints and restarts each.")
    parser.add_argument("binaries")
    parser.add_argument("--only", action="append", help="this program (repeated for more)")
    parser.add_argument("--variant", action="append", help="this variant of the program")
    parser.add_argument("--names", choices=["kernel", "shim"])
    parser.add_argument("--user", choices=["root", "user"])
    parser.add_argument("--list", action="store_true", help="show the cases and what they need")
    parser.add_argument("--keep", action="store_true", help="keep the files of failed cases")
    parser.add_argument("--control", action="store_true", help="without checkpoints, to see that a failure is not the test's own")
    parser.add_argument("--table", help="write the outcome as a Markdown table to this file")
    parser.add_argument("--limit", type=int, default=300, help="seconds a case may take")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, HERE)
    if options.case:
        sys.exit(one(options.binaries, *options.case, options.keep, options.control))

    # The build directory may be closed to the test user.
    copies = tempfile.mkdtemp(prefix="apc-bin-", dir="/tmp")
    os.chmod(copies, 0o755)
    for name in "autopod", "autopod-run", "libautopod_shim.so":
        shutil.copy(f"{options.binaries}/{name}", copies)
    try:
        pwd.getpwnam(TEST_USER)
    except KeyError:
        if os.geteuid() == 0:
            subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", TEST_USER], check=True)
    rows, passed, failed, absent = [], 0, 0, []
    for program, module in modules().items():
        if options.only and program not in options.only:
            continue
        lacks = missing(module)
        if lacks:
            absent.append(program)
            print(f"NOT RUN {program}: not installed: {', '.join(lacks)}", flush=True)
            rows.append((program, "", "", "", f"not run: {', '.join(lacks)} not installed", ""))
            continue
        for variant in getattr(module, "VARIANTS", [""]):
            if options.variant and variant not in options.variant:
                continue
            for names, user in module.where(variant) if hasattr(module, "where") else module.WHERE:
                if (options.names or names) != names or (options.user or user) != user or (user == "root" and os.geteuid()):
                    continue
                title = " ".join(filter(None, [program, variant, names, user]))
                if options.list:
                    print(title)
                    continue
                command = [sys.executable, os.path.abspath(__file__), copies, "--case", program, variant, names, user]
                begun = time.monotonic()
                child = subprocess.Popen(command + ["--keep"] * options.keep + ["--control"] * options.control, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                signal.signal(signal.SIGALRM, lambda *_: child.send_signal(signal.SIGINT))
                signal.alarm(options.limit)
                output = child.communicate()[0]
                signal.alarm(0)
                took = time.monotonic() - begun
                times = [line.split()[1:] for line in output.splitlines() if line.startswith("TIMES")]
                if child.returncode:
                    failed += 1
                    reason = next((line[7:] for line in output.splitlines() if line.startswith("FAILED")), output[-300:].replace("\n", " | "))
                    print(f"FAILED {title}: {reason}\n{output}", flush=True)
                    rows.append((program, variant, names, user, "failed: " + reason[:200].replace("|", "/"), ""))
                else:
                    passed += 1
                    made, back = (max(float(t[i]) for t in times) for i in (0, 1))
                    size = max(int(t[2]) for t in times) / 1e6
                    cost = f"{made:.2f} s / {back:.2f} s / {size:.0f} MB"
                    print(f"ok {title} ({took:.0f} s; checkpoint / restart / image at most {cost})", flush=True)
                    rows.append((program, variant, names, user, "three rounds", cost))
    shutil.rmtree(copies)
    if options.list:
        return
    if options.table:
        with open(options.table, "w") as file:
            file.write("| program | variant | names | user | outcome | checkpoint / restart / image, at most |\n|---|---|---|---|---|---|\n")
            file.writelines("| " + " | ".join(row) + " |\n" for row in rows)
    if absent:
        print(f"not run, because not installed: {', '.join(absent)}")
    print(f"{passed} passed, {failed} failed, {len(absent)} programs not run")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
