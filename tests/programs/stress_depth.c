// needs: any; names: any; slow; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A chain of 100 processes.
#include "harness.h"
static int chain(int depth) {
    pid_t parent = getppid();
    if (depth == 100) {
        t_mark("bottom");
        t_wait();
        EQ(getppid(), parent);
        return 0;
    }
    pid_t pid = t_fork();
    if (!pid) _exit(chain(depth + 1));
    t_reap(pid);
    EQ(getppid(), parent);
    return 0;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) _exit(chain(1));
    t_await("bottom");
    t_go();
    t_reap(pid);
    t_pass();
}
