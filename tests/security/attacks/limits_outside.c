// tries: change resource limits of processes outside by prlimit(2)
// wall: the pid namespace
// control: both
#include "attack.h"
ATTACK
{
    struct { unsigned long soft, hard; } limit = {11, 1000};
    attempt("prlimit", sc(__NR_prlimit64, number("victim"), 7 /* RLIMIT_NOFILE */, &limit, 0));
    attempt("prlimit", sc(__NR_prlimit64, number("neighbour"), 7, &limit, 0));
}
