// needs: any; names: any; row: "Process: posix timers with their ids, overrun, sigev target"
// A blocked periodic timer with its signal pending: one signal, the overruns of before counted; an expired one-shot pending too.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 1), sigaddset(&s, SIGRTMIN + 2);
    OK(sigprocmask(SIG_BLOCK, &s, NULL));
    timer_t t, one;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 42};
    OK(timer_create(CLOCK_MONOTONIC, &e, &t));
    e.sigev_signo = SIGRTMIN + 2;
    OK(timer_create(CLOCK_MONOTONIC, &e, &one));
    struct itimerspec fast = {{0, 5000000}, {0, 5000000}}, once = {{0, 0}, {0, 1000000}};
    OK(timer_settime(t, 0, &fast, NULL));
    OK(timer_settime(one, 0, &once, NULL));
    t_ms(200);
    t_go();
    sigset_t pending;
    OK(sigpending(&pending));
    EQ(sigismember(&pending, SIGRTMIN + 1), 1);
    EQ(sigismember(&pending, SIGRTMIN + 2), 1);
    siginfo_t si;
    sigset_t w;
    sigemptyset(&w), sigaddset(&w, SIGRTMIN + 1);
    EQ(OK(sigwaitinfo(&w, &si)), SIGRTMIN + 1);
    EQ(si.si_code, SI_TIMER);
    EQ(si.si_value.sival_int, 42);
    if (si.si_overrun < 20) FAIL("overrun %d", si.si_overrun);
    EQ(OK(sigwaitinfo(&w, &si)), SIGRTMIN + 1); // it goes on
    sigemptyset(&w), sigaddset(&w, SIGRTMIN + 2);
    EQ(OK(sigwaitinfo(&w, &si)), SIGRTMIN + 2);
    struct timespec little = {0, 20000000};
    FAILS(sigtimedwait(&w, &si, &little), EAGAIN);
    t_pass();
}
