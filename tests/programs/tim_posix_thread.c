// needs: any; names: any; row: "Process: posix timers with their ids, overrun, sigev target"
// SIGEV_THREAD_ID reaches the thread it named, SIGEV_THREAD starts threads, after the go signal.
#include "harness.h"
static volatile pid_t hit, want;
static volatile int threads;
static void handler(int s, siginfo_t *si, void *c) { hit = gettid(); }
static void notified(union sigval v) { threads += v.sival_int; }
static void *target(void *u) {
    want = gettid();
    t_mark("target");
    while (!hit) t_ms(5);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGRTMIN + 1, &a, NULL));
    pthread_t t = t_thread(target, NULL);
    t_await("target");
    timer_t one, two;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
    e._sigev_un._tid = want;
    OK(timer_create(CLOCK_MONOTONIC, &e, &one));
    struct sigevent f = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notified, .sigev_value.sival_int = 3};
    OK(timer_create(CLOCK_MONOTONIC, &f, &two));
    t_go();
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    OK(timer_settime(one, 0, &soon, NULL));
    OK(timer_settime(two, 0, &soon, NULL));
    for (int i = 0; i < 500 && (!hit || !threads); i++) t_ms(10);
    EQ(hit, want);
    EQ(threads, 3);
    PT(pthread_join(t, NULL));
    t_pass();
}
