// tries: enter the namespaces of a process outside by a pidfd, and change its host name
// wall: seccomp, the pid namespace, Landlock
// control: root
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor"};
    for (int w = 0; w < 3; w++) {
        long fd = sc(__NR_pidfd_open, number(who[w]), 0);
        if (fd < 0) { attempt("pidfd_open", fd); continue; }
        attempt("setns", sc(__NR_setns, fd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
        if (sc(__NR_sethostname, "stolen", 6) >= 0) attempt("sethostname", 0);
    }
}
