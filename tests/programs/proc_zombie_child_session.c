// needs: any; names: any; row: "Process: leaders that are dead"
// A session and a group whose leaders are dead and reaped: members keep both ids.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t leader = t_fork();
    if (!leader) {
        pid_t session = OK(setsid());
        if (!t_fork()) {
            t_await("reaped");
            EQ(getsid(0), session);
            t_mark("m1");
            t_wait();
            EQ(getsid(0), session);
            EQ(getpgrp(), session);
            FAILS(kill(session, 0), ESRCH);
            OK(kill(-session, 0));
            t_await("ok2");
            t_mark("ok1");
            _exit(0);
        }
        pid_t second = t_fork();
        if (!second) {
            OK(setpgid(0, 0));
            pid_t group = getpid();
            if (!t_fork()) {
                t_await("m1");
                EQ(getpgrp(), group);
                t_mark("m2");
                t_wait();
                EQ(getpgrp(), group);
                EQ(getsid(0), session);
                OK(setpgid(0, session)); // the session's group still has a member
                EQ(getpgrp(), session);
                t_mark("ok2");
                _exit(0);
            }
            _exit(0);
        }
        _exit(0);
    }
    t_reap(leader);
    t_mark("reaped");
    t_await("m2");
    t_go();
    t_await("ok1");
    t_await("ok2");
    t_pass();
}
