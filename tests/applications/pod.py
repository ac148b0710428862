"""A pod of a campaign: its own directory and state, driven by the command line, removed with everything in it when closed."""
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TEST_USER = "autopod-test"


class Failed(Exception):
    """What a program did not do as it would have without the rounds."""


def ensure(holds, what):
    if not holds:
        raise Failed(what)


def eventually(what, holds, seconds=30):
    """Waits until something holds; what raises does not hold yet."""
    end, last = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (OSError, Failed, ValueError) as error:
            last = f" ({error})"
        time.sleep(0.02)
    raise Failed(f"not within {seconds} s: {what}{last}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Pod:
    """A pod named "p". `names` is kernel or shim; `user` is root or user."""

    def __init__(self, binaries, label, names, user, control=False):
        self.label, self.names, self.user = label, names, user
        self.directory = tempfile.mkdtemp(prefix=f"apc-{label}-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.account = TEST_USER if user == "user" and os.geteuid() == 0 else None
        if self.account:
            ids = pwd.getpwnam(TEST_USER)
            os.chown(self.directory, ids.pw_uid, ids.pw_gid)
        self.environment = {"PATH": PATH, "HOME": self.directory, "AUTOPOD_HOME": self.directory + "/h", "LANG": "C.UTF-8"}
        self.binary = binaries + "/autopod"
        self.rounds, self.times, self.control = 0, [], control
        self.autopod("add", "p", "--names", names, "--profile", "default", "-e", "HOME=" + self.directory, "-e", "LANG=C.UTF-8")

    def command(self, *words, seconds=120, check=True, **more):
        """Runs a command beside the pod as its user; gives what it prints."""
        with open(self.directory + "/.stderr", "w+b") as errors, open(self.directory + "/.stdout", "w+b") as out:
            done = subprocess.run(words, env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=errors, timeout=seconds,
                                  user=self.account, group=self.account, extra_groups=[] if self.account else None, **more)
            texts = []
            for file in out, errors:
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        if check and done.returncode:
            raise Failed(f"`{' '.join(map(str, words))[:300]}` ended with {done.returncode}: {texts[1][-600:]}")
        return texts[0]

    def autopod(self, *words, **more):
        return self.command(self.binary, *words, **more)

    def start(self, *words, cwd=None, user=None, env=()):
        """Starts a program in the pod, detached; gives its id there."""
        return int(self.autopod("addproc", "p", *self.options(cwd, user, env), "--", *words))

    def run(self, *words, cwd=None, user=None, env=(), **more):
        """Runs a program in the pod to its end; gives what it prints."""
        return self.autopod("addproc", "p", "-i", *self.options(cwd, user, env), "--", *words, **more)

    def options(self, cwd, user, env):
        options = ["--cwd", cwd or self.directory] + (["--user", user] if user else [])
        for pair in env:
            options += ["-e", pair]
        return options

    def path(self, name):
        return f"{self.directory}/{name}"

    def write(self, name, text):
        """Makes a file of the pod's user; gives its path."""
        with open(self.path(name), "w") as file:
            file.write(text)
        if self.account:
            ids = pwd.getpwnam(self.account)
            os.chown(self.path(name), ids.pw_uid, ids.pw_gid)
        return self.path(name)

    def read(self, name):
        try:
            with open(self.path(name), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def programs(self):
        """The host's processes that belong to the pod's programs."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = self.directory.encode() in file.read()
                exe = os.readlink(f"/proc/{pid}/exe")
                ours = ours or os.readlink(f"/proc/{pid}/cwd").startswith(self.directory)
            except OSError:
                continue
            if ours and "/autopod" not in exe and int(pid) != os.getpid():
                found.append((int(pid), exe))
        return found

    def tree(self):
        """Ids and names of the pod's processes, as the pod sees them."""
        return self.autopod("ps", "p")

    def round(self):
        """A checkpoint, all programs gone, a restart. In a control run, the same time without."""
        if self.control:
            time.sleep(0.5)
            self.times.append((0, 0, 0))
            self.rounds += 1
            return
        image = self.path(f"image{self.rounds}")
        ensure(self.programs(), "the pod has no program to checkpoint")
        begun = time.monotonic()
        self.autopod("checkpoint", "p", "-o", image)
        made = time.monotonic()
        left = self.programs()
        ensure(not left, f"still there after the checkpoint: {left}")
        again = time.monotonic()
        self.autopod("restart", "p", "-i", image)
        self.times.append((made - begun, time.monotonic() - again, os.path.getsize(image)))
        os.unlink(image)
        self.rounds += 1

    def close(self, keep=False):
        self.autopod("rm", "p", "-f", check=False)
        left = self.programs()
        for pid, _ in left:
            os.kill(pid, 9)
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        ensure(not left, f"left behind: {left}")
