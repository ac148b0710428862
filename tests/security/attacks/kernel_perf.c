// tries: watch the machine and a process outside by perf_event_open(2)
// wall: seccomp
// control: both
#include "attack.h"
ATTACK
{
    struct { unsigned type, size; uint64_t config, rest[14]; } event = {1 /* software */, 128, 0, {0}};
    gain("a processor", sc(__NR_perf_event_open, &event, -1, 0, -1, 0));
    gain("a process", sc(__NR_perf_event_open, &event, number("victim"), -1, -1, 0));
    gain("itself", sc(__NR_perf_event_open, &event, 0, -1, -1, 0));
    event.rest[3] = 0x60; // exclude_kernel, exclude_hv
    gain("itself, no kernel", sc(__NR_perf_event_open, &event, 0, -1, -1, 0));
}
