"""tmux with vim, a shell with a stopped job and a program that draws: screens the same, unsaved text kept, jobs go on."""
from pod import ensure, eventually
from programs import EVERYWHERE

NEEDS = ["tmux", "vim", "bash", "top"]
WHERE = EVERYWHERE


def run(pod, _):
    socket = pod.path("tmux.sock")

    def tmux(*words):
        return pod.run("tmux", "-S", socket, "-f", "/dev/null", *words)

    def screen(window):
        return tmux("capture-pane", "-p", "-e", "-t", window)

    text = "".join(f"line {n} of the text\n" for n in range(200))
    pod.write("text.txt", text)
    pod.start("tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", "s", "-x", "90", "-y", "25", "-n", "edit", "vim", "-u", "NONE", "-N", "text.txt")
    eventually("vim shows the file", lambda: "line 20 of the text" in screen("edit"))
    tmux("new-window", "-t", "s", "-n", "shell", "env", "PS1=$ ", "bash", "--norc", "--noprofile")
    eventually("the shell prompts", lambda: screen("shell").startswith("$"))
    tmux("send-keys", "-t", "shell", "x=kept; f() { echo function $x $$; }; f; tty", "Enter")
    tmux("send-keys", "-t", "shell", "sleep 100000", "Enter")
    eventually("sleep is in the foreground", lambda: "sleep" in tmux("list-panes", "-a", "-F", "#{pane_current_command}"))
    tmux("send-keys", "-t", "shell", "C-z", "")
    eventually("the job is stopped", lambda: "Stopped" in screen("shell"))
    tmux("send-keys", "-t", "shell", "sort", "Enter")
    eventually("sort is in the foreground", lambda: "sort" in tmux("list-panes", "-a", "-F", "#{pane_current_command}"))
    tmux("send-keys", "-t", "shell", "pear", "Enter", "apple", "Enter", "unfin")
    tmux("send-keys", "-t", "edit", ":100", "Enter", "O", "unsaved words", "Escape", "yyp", "i", "being typed")
    eventually("vim shows what was typed", lambda: "being typed" in screen("edit"))
    eventually("the shell shows what was typed", lambda: "unfin" in screen("shell"))
    panes = tmux("list-panes", "-a", "-F", "#{window_name} #{pane_id} #{pane_pid} #{pane_tty} #{pane_width}x#{pane_height} #{pane_current_command}")
    for n in range(3):
        before = screen("edit"), screen("shell")
        pod.round()
        after = screen("edit"), screen("shell")
        ensure(before == after, f"other screens: {before!r} before, {after!r} after")
        now = tmux("list-panes", "-a", "-F", "#{window_name} #{pane_id} #{pane_pid} #{pane_tty} #{pane_width}x#{pane_height} #{pane_current_command}")
        ensure(now == panes, f"other panes: {panes} before, {now} after")
        tmux("send-keys", "-t", "edit", f" again{n}")
        eventually("vim takes keys", lambda: f"again{n}" in screen("edit"))
    tmux("send-keys", "-t", "shell", "ished", "Enter", "C-d", "")
    eventually("sort sorts", lambda: "apple\npear\nunfinished" in tmux("capture-pane", "-p", "-t", "shell"))
    tmux("send-keys", "-t", "shell", "f; jobs; kill %1; fg", "Enter")
    eventually("the shell knows its job", lambda: "Terminated" in screen("shell"))
    ensure("function kept" in screen("shell"), screen("shell"))
    tmux("send-keys", "-t", "edit", "Escape", "u")
    tmux("resize-window", "-t", "edit", "-x", "70", "-y", "20")
    tmux("send-keys", "-t", "edit", ":wq! saved", "Enter")
    eventually("vim saves", lambda: "unsaved words" in pod.read("saved"))
    ensure(pod.read("saved").count("line ") == 200, "the text changed")
    tmux("kill-server")
