// tries: become the user of a process outside by setuid(2) and signal it (user games across pods)
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    long uid = number("uid");
    if (sc(__NR_geteuid) != uid) attempt("setresuid", sc(__NR_setresuid, uid, uid, uid)), carried_out = 0;
    attempt("kill", sc(__NR_kill, number("victim"), SIGTERM));
    attempt("kill", sc(__NR_kill, number("neighbour"), SIGTERM));
    long fd = sc(__NR_pidfd_open, number("victim"), 0);
    if (fd >= 0) attempt("pidfd_getfd", sc(__NR_pidfd_getfd, fd, 3, 0)), carried_out = 0;
    char path[64];
    format(path, sizeof path, "/proc/%d/environ", number("neighbour"));
    show_file(path);
}
