// needs: any; names: any; flags: -lutil; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A session with a controlling terminal, a foreground and a background job: ids by the terminal's calls, ^C reaches the foreground.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    pid_t shell = t_fork();
    if (!shell) {
        close(m);
        OK(setsid()), OK(ioctl(s, TIOCSCTTY, 0));
        signal(SIGTTOU, SIG_IGN);
        pid_t fg = t_fork();
        if (!fg) {
            OK(setpgid(0, 0)), OK(tcsetpgrp(s, getpid()));
            t_mark("fg");
            for (;;) pause();
        }
        pid_t bg = t_fork();
        if (!bg) {
            signal(SIGTTIN, SIG_DFL);
            OK(setpgid(0, 0));
            t_mark("bg");
            t_wait();
            char c;
            int tty = OK(open("/dev/tty", O_RDWR)), r = read(tty, &c, 1); // stops with SIGTTIN
            _exit(r == 1 ? 0 : 1);
        }
        t_await("fg"), t_await("bg");
        t_mark("shell");
        t_wait();
        EQ(tcgetpgrp(s), fg);
        EQ(tcgetsid(s), getpid());
        int status;
        EQ(OK(waitpid(bg, &status, WUNTRACED)), bg);
        EQ(WIFSTOPPED(status) ? WSTOPSIG(status) : -1, SIGTTIN);
        t_mark("interrupt");
        t_reap_at(__LINE__, fg, SIGINT);
        OK(tcsetpgrp(s, bg)), OK(kill(-bg, SIGCONT));
        t_mark("line");
        t_reap(bg);
        _exit(0);
    }
    close(s);
    t_await("shell");
    t_go();
    t_await("interrupt");
    t_write(m, "\3", 1);
    t_await("line");
    t_write(m, "x\n", 2);
    t_reap(shell);
    t_pass();
}
