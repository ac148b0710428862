// needs: any; names: any; row: "Task: pdeath signal (set last)"
// A child's parent-death signal is kept, not delivered by the restart, and delivered when the parent dies.
#include "harness.h"
#include <sys/prctl.h>
static volatile sig_atomic_t hits;
static void handler(int s) { hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t parent = t_fork();
    if (!parent) {
        pid_t child = t_fork();
        if (!child) {
            signal(SIGUSR1, handler);
            OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
            t_mark("set");
            t_wait();
            int sig = 0;
            OK(prctl(PR_GET_PDEATHSIG, &sig));
            EQ(sig, SIGUSR1);
            EQ(hits, 0);
            t_mark("checked");
            for (int i = 0; i < 500 && !hits; i++) t_ms(10);
            EQ(hits, 1);
            t_pass();
        }
        t_await("checked");
        _exit(0);
    }
    t_await("set");
    t_go();
    t_reap(parent);
    return 0;
}
