// tries: change the priority of processes outside: by process, by group, and of all of a user's
// wall: the pid namespace
// control: both
#include "attack.h"
ATTACK
{
    attempt("PRIO_PROCESS", sc(__NR_setpriority, 0, number("victim"), 7));
    attempt("PRIO_PGRP", sc(__NR_setpriority, 1, number("neighbour"), 7));
    attempt("PRIO_USER", sc(__NR_setpriority, 2, number("uid"), 9));
}
