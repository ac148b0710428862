// needs: any; names: any; row: "Process: posix timers with their ids, overrun, sigev target"
// POSIX timers of several clocks with gaps in their ids: id, remaining time, interval, value; new ids go on after them.
#include "harness.h"
static volatile int last_value, hits;
static void handler(int s, siginfo_t *si, void *c) {
    if (si->si_code != SI_TIMER) FAIL("si_code %d", si->si_code);
    last_value = si->si_value.sival_int;
    hits++;
}
enum { N = 6 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGRTMIN + 1, &a, NULL));
    static const clockid_t clocks[N] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
                                        CLOCK_REALTIME};
    int id[N];
    for (int i = 0; i < N; i++) {
        int unused;
        OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &unused));
        struct sigevent e = {.sigev_notify = i == 3 ? SIGEV_NONE : SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
        e.sigev_value.sival_int = 500 + i;
        OK(syscall(SYS_timer_create, clocks[i], &e, &id[i]));
        OK(syscall(SYS_timer_delete, unused));
        struct itimerspec s = {{100 + i, 5}, {1000 + i, 0}};
        if (i != 5) OK(syscall(SYS_timer_settime, id[i], 0, &s, NULL));
    }
    t_go();
    EQ(hits, 0);
    for (int i = 0; i < N; i++) {
        struct itimerspec s;
        OK(syscall(SYS_timer_gettime, id[i], &s));
        if (i == 5) EQ(s.it_value.tv_sec, 0);
        else if (s.it_value.tv_sec > 1000 + i || s.it_value.tv_sec < 800) FAIL("timer %d: %ld s left", i, s.it_value.tv_sec);
        EQ(s.it_interval.tv_sec, i == 5 ? 0 : 100 + i);
        EQ(s.it_interval.tv_nsec, i == 5 ? 0 : 5);
        if (i == 3) continue;
        struct itimerspec soon = {{0, 0}, {0, 1000000}};
        int before = hits;
        OK(syscall(SYS_timer_settime, id[i], 0, &soon, NULL));
        for (volatile long n = 0; n < 4000000000l && hits == before; n++) {}
        EQ(hits, before + 1);
        EQ(last_value, 500 + i);
    }
    int next;
    OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &next));
    for (int i = 0; i < N; i++) CHECK(next != id[i]);
    OK(syscall(SYS_timer_delete, id[2]));
    t_pass();
}
