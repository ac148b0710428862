// needs: any; names: any; row: "Task: pdeath signal (set last)"
// Signals for the parent's end, of children of different threads and of a chain of subreapers: sent when those end, not before.
#include "harness.h"
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t a = t_fork();
    if (!a) {
        OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
        pid_t b = t_fork();
        if (!b) {
            pid_t c = t_fork();
            if (!c) {
                sigset_t set;
                sigemptyset(&set), sigaddset(&set, SIGRTMIN + 7);
                OK(sigprocmask(SIG_BLOCK, &set, NULL));
                OK(prctl(PR_SET_PDEATHSIG, SIGRTMIN + 7));
                t_mark("c");
                siginfo_t si;
                EQ(OK(sigwaitinfo(&set, &si)), SIGRTMIN + 7);
                CHECK(t_exists("go"));
                t_mark("b-gone");
                EQ(OK(sigwaitinfo(&set, &si)), SIGRTMIN + 7); // the one that adopted it
                t_mark("a-gone");
                _exit(0);
            }
            t_await("c");
            t_mark("b");
            t_wait();
            _exit(0);
        }
        t_await("b");
        t_mark("a");
        t_wait();
        t_reap(b);
        t_await("b-gone");
        int is = 0;
        OK(prctl(PR_GET_CHILD_SUBREAPER, &is)), EQ(is, 1);
        _exit(0);
    }
    t_await("a");
    t_go();
    t_reap(a);
    t_await("a-gone");
    int status;
    OK(waitpid(-1, &status, 0));
    EQ(status, 0);
    t_pass();
}
