// needs: any; names: any; row: "Process: posix timers with their ids, overrun, sigev target"
// Timers of processor time: of the process, the thread and another thread go off while the program works, ITIMER_PROF and VIRTUAL too.
#include "harness.h"
static volatile int hits[5];
static void on(int sig) { hits[sig == SIGPROF ? 3 : sig == SIGVTALRM ? 4 : sig - SIGRTMIN - 1]++; }
static volatile int stop, tid;
static void *work(void *arg) {
    tid = t_gettid();
    t_mark("worker");
    t_wait();
    while (!stop) ;
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t = t_thread(work, 0);
    t_await("worker");
    clockid_t other;
    PT(pthread_getcpuclockid(t, &other));
    clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, other};
    for (int i = 0; i < 3; i++) {
        signal(SIGRTMIN + 1 + i, on);
        struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 + i};
        timer_t id;
        OK(timer_create(clocks[i], &e, &id));
        struct itimerspec v = {{0, 0}, {0, 150000000}};
        OK(timer_settime(id, 0, &v, NULL));
    }
    signal(SIGPROF, on), signal(SIGVTALRM, on);
    struct itimerval v = {{0, 0}, {0, 120000}};
    OK(setitimer(ITIMER_PROF, &v, NULL)), OK(setitimer(ITIMER_VIRTUAL, &v, NULL));
    t_go();
    for (double end = t_now(CLOCK_MONOTONIC) + 20; t_now(CLOCK_MONOTONIC) < end;)
        if (hits[0] && hits[1] && hits[2] && hits[3] && hits[4]) break;
    stop = 1;
    for (int i = 0; i < 5; i++)
        if (hits[i] != 1) FAIL("timer %d: %d times", i, hits[i]);
    PT(pthread_join(t, NULL));
    t_pass();
}
