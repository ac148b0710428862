// needs: any; names: any; flags: -lutil; row: "Terminals: sessions, foreground groups, background processes"
// A session on a terminal with a foreground group, a background one stopped for reading and one stopped for writing, one that ignores it.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    pid_t leader = t_fork();
    if (!leader) {
        close(m);
        OK(setsid()), OK(ioctl(s, TIOCSCTTY, 0));
        struct termios t;
        OK(tcgetattr(s, &t)), t.c_lflag |= TOSTOP, t.c_lflag &= ~ECHO, OK(tcsetattr(s, TCSANOW, &t));
        pid_t k[4];
        for (int i = 0; i < 4; i++) {
            k[i] = t_fork();
            if (k[i]) {
                setpgid(k[i], k[i]);
                continue;
            }
            setpgid(0, 0);
            t_await("foreground");
            char b[8];
            t_mark(t_text("k%d", i));
            if (i == 0) EQ(OK(read(s, b, 8)), 5); // is in the foreground
            if (i == 1) EQ(OK(read(s, b, 8)), 6); // is stopped (SIGTTIN), then in the foreground
            if (i == 2) EQ(OK(write(s, "late", 4)), 4); // is stopped (SIGTTOU)
            if (i == 3) {
                signal(SIGTTIN, SIG_IGN);
                t_wait();
                FAILS(read(s, b, 8), EIO);
            }
            _exit(0);
        }
        OK(tcsetpgrp(s, k[0]));
        t_mark("foreground");
        siginfo_t si;
        OK(waitid(P_PID, k[1], &si, WSTOPPED | WNOWAIT)), EQ(si.si_status, SIGTTIN);
        int status;
        EQ(OK(waitpid(k[2], &status, WUNTRACED)), k[2]), EQ(WSTOPSIG(status), SIGTTOU);
        for (int i = 0; i < 4; i++) t_await(t_text("k%d", i));
        t_mark("session");
        t_wait();
        EQ(OK(tcgetpgrp(s)), k[0]), EQ(OK(tcgetsid(s)), getpid());
        EQ(OK(waitpid(k[2], &status, WUNTRACED | WNOHANG)), 0);
        EQ(OK(waitpid(k[1], &status, WUNTRACED | WNOHANG)), k[1]), EQ(WSTOPSIG(status), SIGTTIN);
        t_mark("type1");
        t_reap(k[0]), t_reap(k[3]);
        signal(SIGTTOU, SIG_IGN);
        OK(tcsetpgrp(s, k[1])), OK(kill(-k[1], SIGCONT));
        t_mark("type2");
        t_reap(k[1]);
        OK(tcsetpgrp(s, k[2])), OK(kill(-k[2], SIGCONT));
        t_reap(k[2]);
        _exit(0);
    }
    close(s);
    t_await("session");
    t_go();
    t_await("type1"), t_write(m, "line\n", 5);
    t_await("type2"), t_write(m, "line2\n", 6);
    char b[8];
    t_read(m, b, 4), MEMEQ(b, "late", 4);
    t_reap(leader);
    t_pass();
}
