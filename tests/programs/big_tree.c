// needs: any; names: any; slow; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A tree of processes 100 deep.
#include "harness.h"
static void descend(int depth) {
    pid_t us = getpid(), parent = getppid(), child = depth ? t_fork() : 0;
    if (depth && !child) {
        descend(depth - 1);
        _exit(depth);
    }
    if (!depth) t_mark("deep");
    t_wait();
    EQ(getpid(), us);
    EQ(getppid(), parent);
    if (depth) t_reap_at(__LINE__, child, depth << 8);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t first = t_fork();
    if (!first) {
        descend(100);
        _exit(0);
    }
    t_await("deep");
    t_go();
    t_reap(first);
    t_pass();
}
