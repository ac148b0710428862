// needs: any; names: any; flags: -lutil; row: "Process: leaders that are dead"
// A session whose leader has died keeps members, without a controlling terminal; the pty lives on.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    pid_t leader = t_fork();
    if (!leader) {
        OK(setsid()), OK(ioctl(s, TIOCSCTTY, 0));
        pid_t session = getpid();
        if (!t_fork()) {
            signal(SIGHUP, SIG_IGN), signal(SIGCONT, SIG_IGN);
            t_mark("member");
            t_await("dead");
            t_mark("ready-member");
            t_wait();
            EQ(getsid(0), session);
            FAILS(open("/dev/tty", O_RDWR), ENXIO);
            t_mark("ok");
            _exit(0);
        }
        t_await("member");
        _exit(0);
    }
    t_reap(leader);
    t_mark("dead");
    t_await("ready-member");
    t_go();
    t_await("ok");
    struct winsize w;
    OK(ioctl(m, TIOCGWINSZ, &w));
    t_pass();
}
