// tries: take an open file from a process outside by pidfd_getfd(2)
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor", "init"};
    for (int w = 0; w < 4; w++) {
        long process = sc(__NR_pidfd_open, number(who[w]), 0);
        if (process < 0) { attempt("pidfd_open", process); continue; }
        for (int fd = 0; fd < 8; fd++) {
            long taken = sc(__NR_pidfd_getfd, process, fd, 0);
            attempts++;
            if (taken < 0) say("pidfd_getfd: %s", errno_name(taken));
            else show("pidfd_getfd", taken);
        }
    }
}
