// tries: queue a signal with a forged sender to a process outside by rt_sigqueueinfo(2)
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    struct { int signo, error, code, pad, pid, uid; long value; char rest[88]; } info = {SIGUSR1, 0, -1 /* SI_QUEUE */, 0, 1, 0, 7, {0}};
    attempt("rt_sigqueueinfo", sc(__NR_rt_sigqueueinfo, number("victim"), SIGUSR1, &info));
    attempt("rt_tgsigqueueinfo", sc(__NR_rt_tgsigqueueinfo, number("victim"), number("victim"), SIGUSR1, &info));
    attempt("rt_sigqueueinfo", sc(__NR_rt_sigqueueinfo, number("neighbour"), SIGUSR1, &info));
}
