// tries: change the I/O priority of processes outside, by process and of all of a user's
// wall: the pid namespace
// control: both
#include "attack.h"
ATTACK
{
    attempt("IOPRIO_WHO_PROCESS", sc(__NR_ioprio_set, 1, number("victim"), 3 << 13));
    attempt("IOPRIO_WHO_PGRP", sc(__NR_ioprio_set, 2, number("neighbour"), 3 << 13));
    attempt("IOPRIO_WHO_USER", sc(__NR_ioprio_set, 3, number("uid"), 3 << 13));
}
