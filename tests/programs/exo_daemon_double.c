// needs: any; names: any; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A daemon that forked twice: neither session nor group leader, all parents gone.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t first = getpid(), pid = t_fork();
    if (pid) _exit(0);
    while (getppid() == first) t_ms(5);
    pid_t parent = getppid(), me = getpid();
    t_go();
    EQ(getpid(), me), EQ(getppid(), parent), EQ(getsid(0), first), EQ(getpgrp(), first);
    if (!kill(first, 0)) EQ(*t_field(t_text("/proc/%d/status", first), "State"), 'Z'); // not yet reaped by its adopter
    else EQ(errno, ESRCH);
    pid_t new = t_fork();
    if (!new) _exit(setsid() != getpid());
    CHECK(new != first);
    t_reap(new);
    t_pass();
}
