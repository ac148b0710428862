"""A desktop: an X server, a window manager, a terminal with an editor, a clock of eyes. The screen shows the same after a restart, and takes keys."""
import hashlib
import os

from pod import ensure, eventually, free_port
from programs import EVERYWHERE

NEEDS = ["Xvfb", "openbox", "xterm", "vim", "xdotool", "xwd", "xeyes"]
WHERE = EVERYWHERE


def run(pod, _):
    number = free_port()  # nobody has a display of this number
    try:
        desktop(pod, f":{number}")
    finally:
        # an X server that is killed leaves them
        for left in f"/tmp/.X{number}-lock", f"/tmp/.X11-unix/X{number}":
            if os.path.lexists(left):
                os.unlink(left)


def desktop(pod, display):
    environment = [f"DISPLAY={display}", f"XAUTHORITY={pod.path('none')}"]

    def x(*words, **more):
        return pod.run(*words, env=environment, **more)

    def screen():
        """What a screen shot holds, without its head, where times could be."""
        x("xwd", "-root", "-silent", "-out", pod.path("shot"))
        with open(pod.path("shot"), "rb") as file:
            shot = file.read()
        return hashlib.sha256(shot[int.from_bytes(shot[:4], "big"):]).hexdigest()

    def settled():
        """A picture that stays: the programs have drawn all they will."""
        seen = [screen()]

        def same():
            seen.append(screen())
            return len(seen) > 3 and len(set(seen[-3:])) == 1

        eventually("the screen stays as it is", same, 60)
        return seen[-1]

    pod.write("text.txt", "".join(f"line {n} of the text\n" for n in range(40)))
    pod.start("Xvfb", display, "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset", "-ac")
    eventually("the X server answers", lambda: "800x600" in x("xdpyinfo", check=False), 60)
    empty = settled()
    pod.start("openbox", "--sm-disable", env=environment)
    pod.start("xeyes", "-geometry", "150x100+600+20", env=environment)
    # no blinking cursor, and a title of its own
    pod.start("xterm", "-T", "editor", "-geometry", "80x20+20+60", "+bc", "-xrm", "*cursorBlink: false", "-e", "vim", "-u", "NONE", "-N", "text.txt", env=environment)
    eventually("there is a window", lambda: x("xdotool", "search", "--onlyvisible", "--name", "^editor$", check=False).strip(), 60)
    window = x("xdotool", "search", "--onlyvisible", "--name", "^editor$").split()[0]
    x("xdotool", "windowactivate", "--sync", window)
    x("xdotool", "mousemove", "300", "200", "type", "Ounsaved words ")
    before = settled()
    ensure(before != empty, "the screen is empty")
    for n in range(3):
        pod.round()
        ensure(settled() == before, "the screen shows something else after the restart")
        x("xdotool", "type", f"again{n} ")
        eventually("the editor shows what is typed", lambda: screen() != before)
        before = settled()
    # the window manager manages, the editor has all that was typed
    x("xdotool", "windowsize", "--sync", window, "500", "300", "windowmove", "--sync", window, "200", "250")
    ensure(settled() != before, "the window did not move")
    x("xdotool", "windowactivate", "--sync", window, "key", "Escape", "type", ":wq! saved\n")
    eventually("the editor saves", lambda: "unsaved words again0 again1 again2" in pod.read("saved"))
    ensure(pod.read("saved").count("line ") == 40, "the text changed")
    eventually("its window closes", lambda: not x("xdotool", "search", "--name", "^editor$", check=False).strip())
