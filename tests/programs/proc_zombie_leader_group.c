// needs: any; names: any; row: "Process: leaders that are dead"
// A zombie that leads a session and a group with living members in both.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t z = t_fork();
    if (!z) {
        OK(setsid());
        for (int i = 0; i < 2; i++)
            if (!t_fork()) {
                pid_t sid = getsid(0), pg;
                if (i) OK(setpgid(0, 0));
                pg = getpgrp();
                t_mark(t_text("m%d", i));
                t_wait();
                EQ(getsid(0), sid), EQ(getpgrp(), pg), EQ(pg == sid, i == 0);
                t_mark(t_text("ok%d", i));
                _exit(0);
            }
        t_await("m0"), t_await("m1");
        _exit(17);
    }
    siginfo_t si;
    OK(waitid(P_PID, z, &si, WEXITED | WNOWAIT));
    t_go();
    t_await("ok0"), t_await("ok1");
    EQ(getsid(z), z), EQ(getpgid(z), z);
    t_reap_at(__LINE__, z, 17 << 8);
    t_pass();
}
