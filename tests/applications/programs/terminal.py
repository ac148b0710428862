"""autopod-run on a terminal: vim and a shell in the foreground of the invoking terminal, checkpointed from another, restarted, and attached to
again. The terminal is a tmux outside of the pod, which tells what it shows."""
import os
import time

from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["tmux", "vim", "bash"]
WHERE = EVERYWHERE


def run(pod, _):
    socket, runner = pod.path("outer.sock"), pod.binary + "-run"

    def tmux(*words, **more):
        return pod.command("tmux", "-S", socket, "-f", "/dev/null", *words, **more)

    def screen(styled=True):
        return tmux("capture-pane", "-p", *(["-e"] if styled else []), "-t", "s")

    def cursor():
        return tmux("display-message", "-p", "-t", "s", "#{cursor_x} #{cursor_y}")

    def keys(*words):
        tmux("send-keys", "-t", "s", *words)

    pod.write("text.txt", "".join(f"line {n} of the text\n" for n in range(200)))
    start = pod.write("start.sh", f"cd {pod.directory}; export PS1='$ '; exec {runner} --pod q --names {pod.names} --cwd {pod.directory} -- "
                      "bash --norc --noprofile\n")
    tmux("new-session", "-d", "-s", "s", "-x", "90", "-y", "25", "sh", start)
    # what a program that has ended left on the screen is to be seen
    tmux("set-option", "-g", "remain-on-exit", "on")
    try:
        eventually("the shell prompts", lambda: screen(False).startswith("$"))
        keys("x=kept; vim -u NONE -N text.txt", "Enter")
        eventually("vim shows the file", lambda: "line 20 of the text" in screen(False))
        keys(":100", "Enter", "O", "unsaved words", "Escape", "yyp", "i", "being typed")
        eventually("vim shows what was typed", lambda: "being typed" in screen(False))
        for n in range(3):
            before = screen(), cursor()
            image = pod.path(f"image{n}")
            begun = time.monotonic()
            if pod.control:
                pod.times.append((0, 0, 0))
            else:
                pod.autopod("checkpoint", "q", "-o", image)
                made = time.monotonic()
                eventually("autopod-run says what happened", lambda: "has been checkpointed" in screen(False).replace("\n", ""))
                again = time.monotonic()
                pod.autopod("restart", "q", "-i", image)
                pod.times.append((made - begun, time.monotonic() - again, os.path.getsize(image)))
                tmux("respawn-pane", "-k", "-t", "s", pod.binary, "attach", "q")
                try:
                    eventually("the screen is as it was", lambda: (screen(), cursor()) == before)
                except Exception:
                    print(before, (screen(), cursor()), sep="\n")
                    raise
            pod.rounds += 1
            keys(f" again{n}")
            eventually("vim takes keys", lambda: f"again{n}" in screen(False))
        keys("Escape", ":wq! saved", "Enter")
        eventually("vim saves", lambda: "again2" in pod.read("saved"))
        ensure(pod.read("saved").count("line ") == 200, "the text changed")
        keys("echo shell has $x", "Enter")
        eventually("the shell goes on", lambda: "shell has kept" in screen(False))
    finally:
        tmux("kill-server", check=False)
        pod.autopod("rm", "q", "-f", check=False)
