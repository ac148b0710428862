// tries: have a timer signal a thread outside (SIGEV_THREAD_ID)
// wall: the kernel: only threads of its own process
// control: none the kernel refuses threads of others to everybody
#include "attack.h"
ATTACK
{
    struct { long value; int signo, notify, tid; char rest[44]; } event = {0, SIGUSR1, 4 /* SIGEV_THREAD_ID */, (int)number("victim"), {0}};
    int timer;
    gain("timer_create", sc(__NR_timer_create, 1, &event, &timer));
}
