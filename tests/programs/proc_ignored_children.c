// needs: any; names: any; row: "Process: handlers and flags of 64 signals"
// SIGCHLD ignored, or SA_NOCLDWAIT: children that end leave no zombies, wait says ECHILD when the last has ended.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t other = t_fork();
    if (!other) {
        struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
        OK(sigaction(SIGCHLD, &sa, NULL));
        pid_t pid = t_fork();
        if (!pid) {
            t_mark("c2");
            t_wait();
            _exit(0);
        }
        t_await("c2");
        t_mark("other");
        FAILS(waitpid(pid, NULL, 0), ECHILD);
        CHECK(t_exists("go"));
        _exit(0);
    }
    t_await("other");
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("c1");
        t_wait();
        _exit(7);
    }
    t_await("c1");
    t_go();
    FAILS(waitpid(pid, NULL, 0), ECHILD);
    FAILS(waitpid(other, NULL, 0), ECHILD);
    CHECK(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
    t_pass();
}
