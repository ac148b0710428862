"""Times of checkpoint and restart, and what a pod costs a program that runs in it. Called by scripts/bench: BINARIES PART."""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BINARIES, PART = sys.argv[1:3]
ROUNDS = int(os.environ.get("AUTOPOD_BENCH_ROUNDS", "5"))
HOME = tempfile.mkdtemp(prefix="autopod-bench-")
ENV = dict(os.environ, AUTOPOD_HOME=HOME + "/home", PATH=BINARIES + ":" + os.environ["PATH"])

SLEEPER = "int pause(void); int main(void) { for (;;) pause(); }\n"
PYTHON = """import threading, time
def work(n):
    while True:
        sum(range(1000)); time.sleep(0.001)
for n in range(8): threading.Thread(target=work, args=(n,), daemon=True).start()
while True: time.sleep(1)
"""
PIPELINE = "while :; do echo x; sleep 0.01; done | tr x y | cat >/dev/null"


def run(*command, quiet=False):
    """Runs a command; gives its wall time in seconds."""
    begun = time.perf_counter()
    done = subprocess.run(command, env=ENV, stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    took = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return took


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def fill(port, megabytes):
    """Loads redis with values of 1000 bytes, by the protocol itself."""
    for _ in range(200):
        try:
            link = socket.create_connection(("127.0.0.1", int(port)))
            break
        except OSError:
            time.sleep(0.05)
    else:
        sys.exit("redis does not listen")
    with link:
        link.sendall(b"DEBUG POPULATE %d key 1000\r\n" % (megabytes * 900))
        link.recv(100)


def engine(name, command, ready, names):
    """Checkpoints and restarts a program; prints the medians."""
    checkpoints, restarts, size = [], [], 0
    image = f"{HOME}/{name}.pod"
    run("autopod", "add", name, "--names", names, "--profile", "default")
    run("autopod", "addproc", name, "--", *command)
    time.sleep(1)
    ready()
    for _ in range(ROUNDS):
        checkpoints.append(run("autopod", "checkpoint", name, "-o", image))
        size = os.path.getsize(image)
        restarts.append(run("autopod", "restart", name, "-i", image))
    run("autopod", "rm", "-f", name)
    os.unlink(image)
    made, back = statistics.median(checkpoints), statistics.median(restarts)
    print(f"{name:22} {names:7} {made:11.3f} {back:11.3f} {size / 1e6:11.1f}", flush=True)


def criu(name, command, ready):
    """The same by CRIU, in one run with ours."""
    if not shutil.which("criu") or os.geteuid():
        return
    directory = f"{HOME}/criu"
    checkpoints, restarts = [], []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(1)
    ready()
    pid = process.pid
    for _ in range(ROUNDS):
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        dump = subprocess.run(["criu", "dump", "-t", str(pid), "-D", directory, "-o", "log"], capture_output=True)
        if dump.returncode:
            print(f"{name:22} criu    cannot dump it (see {directory}/log)")
            process.kill()
            return
        process.poll()
        begun = time.perf_counter()
        back = subprocess.run(["criu", "restore", "-d", "-D", directory, "-o", "log2"], capture_output=True)
        restarts.append(time.perf_counter() - begun)
        if back.returncode:
            print(f"{name:22} criu    cannot restore it (see {directory}/log2)")
            return
        shutil.rmtree(directory)
        os.mkdir(directory)
        begun = time.perf_counter()
        subprocess.run(["criu", "dump", "-R", "-t", str(pid), "-D", directory], capture_output=True)
        checkpoints.append(time.perf_counter() - begun)
    os.killpg(pid, 9)
    size = sum(os.path.getsize(os.path.join(directory, file)) for file in os.listdir(directory))
    made, back = statistics.median(checkpoints), statistics.median(restarts)
    print(f"{name:22} criu    {made:11.3f} {back:11.3f} {size / 1e6:11.1f}", flush=True)


def engines():
    source, sleeper = HOME + "/sleeper.c", HOME + "/sleeper"
    with open(source, "w") as file:
        file.write(SLEEPER)
    subprocess.run(["gcc", "-O2", "-o", sleeper, source], check=True)
    print(f"{'program':22} {'by':7} {'checkpoint s':>11} {'restart s':>11} {'image MB':>11}")
    cases = [("one-thread", lambda: ([sleeper], lambda: None))]
    cases.append(("python-8-threads", lambda: (["python3", "-c", PYTHON], lambda: None)))
    cases.append(("bash-pipeline", lambda: (["bash", "-c", PIPELINE], lambda: None)))
    if shutil.which("redis-server"):
        def redis(megabytes):
            port = free_port()
            command = ["redis-server", "--port", port, "--save", "", "--enable-debug-command", "yes"]
            return command, lambda: fill(port, megabytes)
        cases.append(("redis-200MB", lambda: redis(200)))
        cases.append(("redis-1GB", lambda: redis(1000)))
    for name, make in cases:
        for names in ("kernel", "shim"):
            command, ready = make()
            engine(name, command, ready, names)
        command, ready = make()
        criu(name, command, ready)


def ratio(name, native, pods):
    """Medians of a program natively and in pods of both kinds."""
    base = statistics.median(native() for _ in range(ROUNDS))
    row = [statistics.median(pod() for _ in range(ROUNDS)) for pod in pods]
    print(f"{name:22} {base:11.3f}" + "".join(f" {value:11.3f} {value / base:6.2f}" for value in row), flush=True)


def in_pod(names, *command):
    return lambda: run("autopod-run", "--names", names, "--", *command, quiet=True)


def programs():
    print(f"{'program':22} {'native s':>11} {'kernel s':>11} {'ratio':>6} {'shim s':>11} {'ratio':>6}")
    tree = HOME + "/tree"
    os.mkdir(tree)
    for number in range(40):
        with open(f"{tree}/f{number}.c", "w") as file:
            file.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n")
            file.writelines(f"int f{number}_{n}(int x) {{ printf(\"%d\", x * {n}); return x + {n}; }}\n" for n in range(200))
    with open(tree + "/Makefile", "w") as file:
        file.write("all: $(patsubst %.c,%.o,$(wildcard *.c))\n")
    build = ("make", "-B", "-j2", "-s", "-C", tree)
    ratio("make -j2, 40 files", lambda: run(*build, quiet=True), [in_pod(names, *build) for names in ("kernel", "shim")])
    if shutil.which("redis-benchmark"):
        def redis(names):
            def measure():
                port = free_port()
                server = ["redis-server", "--port", port, "--save", ""]
                command = server if names is None else ["autopod-run", "--names", names, "--", *server]
                process = subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(1)
                took = run("redis-benchmark", "-p", port, "-n", "100000", "-t", "get,set", "-q", quiet=True)
                process.terminate()
                process.wait()
                return took
            return measure
        ratio("redis-benchmark", redis(None), [redis("kernel"), redis("shim")])


try:
    if PART in ("all", "engine"):
        print("== engine")
        engines()
    if PART in ("all", "programs"):
        print("== programs")
        programs()
finally:
    shutil.rmtree(HOME, ignore_errors=True)
