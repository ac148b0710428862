// tries: set the host's clock (to the present time), by clock_settime, settimeofday, clock_adjtime, adjtimex
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    long now[2];
    sc(__NR_clock_gettime, 0, now);
    gain("clock_settime", sc(__NR_clock_settime, 0, now));
    sc(__NR_clock_gettime, 0, now);
    now[1] /= 1000;
    gain("settimeofday", sc(__NR_settimeofday, now, 0));
    char timex[256] = {0};
    sc(__NR_adjtimex, timex);
    *(int *)timex = 0x4000; // ADJ_TICK, as it is
    gain("adjtimex", sc(__NR_adjtimex, timex));
    *(int *)timex = 0x4000;
    gain("clock_adjtime", sc(__NR_clock_adjtime, 0, timex));
}
