"""gcc under make in the middle of a build: the objects are those of a build without rounds, byte for byte."""
import hashlib
import os

from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["gcc", "make", "ld"]
WHERE = EVERYWHERE
FILES = 24


def run(pod, _):
    # macros that expand to enough work for a file to take a moment
    body = "".join(f"int f{n}(int a, int *b) {{ int s = a; for (int i = 0; i < {n + 3}; i++) {{ s = s * 31 + b[(s + i) & 7] % {n + 7}; b[i & 7] ^= s >> {n % 5 + 1}; }} return s; }}\n"
                   for n in range(250))
    calls = "+".join(f"f{n}(a, b)" for n in range(250))
    for n in range(FILES):
        pod.write(f"part{n}.c", body.replace("int f", "static int f") + f"int part{n}(int a, int *b) {{ return {calls} + {n}; }}\n")
    pod.write("main.c", "#include <stdio.h>\n" + "".join(f"int part{n}(int, int *);\n" for n in range(FILES))
              + "int main(void) { int b[8] = {1, 2, 3}, s = 0;" + "".join(f" s += part{n}(s, b);" for n in range(FILES)) + ' printf("%d\\n", s); }\n')
    objects = " ".join(["main.o"] + [f"part{n}.o" for n in range(FILES)])
    pod.write("Makefile", f"O ?= .\nprogram: {objects}\n\tgcc -o $@ {objects}\n\t./program >result\n%.o: %.c\n\tgcc -pipe -O2 -c -o $@ $<\n")

    def sums():
        return {name: hashlib.sha256(open(pod.path(name), "rb").read()).hexdigest() for name in objects.split()}

    pod.command("make", "-s", "-j2", "-C", pod.directory, seconds=200)
    wanted, result = sums(), pod.read("result")
    for name in objects.split() + ["program", "result"]:
        os.unlink(pod.path(name))
    pod.start("sh", "-c", "make -j2 >log 2>&1; echo status $? >end")

    def built():
        return sum(os.path.exists(pod.path(name)) for name in objects.split())

    for n in range(3):
        eventually("some files are built", lambda: built() >= 3 * (n + 1))
        ensure(not pod.read("end"), f"the build ended before round {n}: {pod.read('log')[-300:]}")
        pod.round()
    eventually("the build ends", lambda: pod.read("end"), 100)
    ensure(pod.read("end") == "status 0\n", pod.read("log")[-600:])
    ensure(sums() == wanted and pod.read("result") == result, "another program was built")
