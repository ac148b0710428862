// tries: signal the process group of a process outside, and join its session's groups
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    attempt("kill", sc(__NR_kill, -number("victim"), SIGTERM));
    attempt("kill", sc(__NR_kill, -number("neighbour"), SIGTERM));
    attempt("setpgid", sc(__NR_setpgid, 0, number("victim")));
}
