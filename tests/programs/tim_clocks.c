// needs: any; names: any; row: "Process: posix timers with their ids, overrun, sigev target"
// Timers of every clock, long, short, periodic, absolute, disarmed; ids with gaps; targets: none, a thread, the process.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    enum { N = 6 };
    int id[N], gap;
    for (int i = 0; i < N; i++) {
        struct sigevent e = {.sigev_notify = i % 3 == 0 ? SIGEV_NONE : SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + i, .sigev_value.sival_int = i};
        if (i == 2) e.sigev_notify = SIGEV_THREAD_ID, e._sigev_un._tid = t_gettid();
        OK(syscall(SYS_timer_create, clocks[i], &e, &gap));
        OK(syscall(SYS_timer_create, clocks[i], &e, &id[i]));
        OK(syscall(SYS_timer_delete, gap));
        struct itimerspec v = {{i, 500}, {1000 + i, 0}};
        if (i == 3) clock_gettime(clocks[i], &v.it_value), v.it_value.tv_sec += 1003;
        OK(syscall(SYS_timer_settime, id[i], i == 3 ? TIMER_ABSTIME : 0, &v, NULL));
    }
    int idle;
    OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &idle));
    t_go();
    for (int i = 0; i < N; i++) {
        struct itimerspec v;
        OK(syscall(SYS_timer_gettime, id[i], &v));
        EQ(v.it_interval.tv_sec, i), EQ(v.it_interval.tv_nsec, 500);
        CHECK(v.it_value.tv_sec <= 1000 + i), CHECK(v.it_value.tv_sec > 900 + i);
        EQ(OK(syscall(SYS_timer_getoverrun, id[i])), 0);
    }
    struct itimerspec v;
    OK(syscall(SYS_timer_gettime, idle, &v));
    EQ(v.it_value.tv_sec, 0), EQ(v.it_value.tv_nsec, 0);
    FAILS(syscall(SYS_timer_gettime, gap, &v), EINVAL);
    sigset_t one;
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 2), sigaddset(&one, SIGALRM);
    OK(sigprocmask(SIG_BLOCK, &one, NULL));
    v = (struct itimerspec){{0, 0}, {0, 1000000}};
    OK(syscall(SYS_timer_settime, id[2], 0, &v, NULL));
    siginfo_t si;
    EQ(OK(sigwaitinfo(&one, &si)), SIGRTMIN + 2);
    EQ(si.si_code, SI_TIMER), EQ(si.si_value.sival_int, 2), EQ(si.si_timerid, id[2]);
    OK(syscall(SYS_timer_settime, idle, 0, &v, NULL));
    EQ(OK(sigwaitinfo(&one, &si)), SIGALRM);
    EQ(si.si_value.sival_int, idle);
    t_pass();
}
