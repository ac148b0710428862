// tries: change the scheduling and affinity of a process outside
// wall: the pid namespace
// control: both
#include "attack.h"
ATTACK
{
    unsigned long mask = 1;
    int priority = 0;
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        attempt("sched_setaffinity", sc(__NR_sched_setaffinity, number(who[w]), sizeof mask, &mask));
        attempt("sched_setscheduler", sc(__NR_sched_setscheduler, number(who[w]), 3 /* SCHED_BATCH */, &priority));
    }
}
