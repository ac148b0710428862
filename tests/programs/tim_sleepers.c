// needs: any; names: any; row: "Task: interrupted system call"
// Sleeps of an hour, relative and absolute, on several clocks, that a signal ends: what is left is right.
#include "harness.h"
static void on(int sig) {}
static volatile int tid[4];
static void *run(void *arg) {
    long i = (long)arg;
    tid[i] = t_gettid();
    t_mark(t_text("t%ld", i));
    struct timespec at = {3600, 0}, left = {0, 0};
    if (i == 0) {
        EQ(nanosleep(&at, &left), -1), EQ(errno, EINTR);
        CHECK(left.tv_sec > 3500 && left.tv_sec < 3600);
    } else if (i == 1) {
        EQ(clock_nanosleep(CLOCK_BOOTTIME, 0, &at, &left), EINTR);
        CHECK(left.tv_sec > 3500 && left.tv_sec < 3600);
    } else if (i == 2) {
        OK(clock_gettime(CLOCK_MONOTONIC, &at)), at.tv_sec += 3600;
        EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), EINTR);
    } else {
        OK(clock_gettime(CLOCK_REALTIME, &at)), at.tv_sec += 3600;
        EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), EINTR);
    }
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction sa = {.sa_handler = on};
    OK(sigaction(SIGUSR1, &sa, NULL));
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 4; i++) t_await(t_text("t%d", i));
    t_ms(50);
    t_go();
    for (int i = 0; i < 4; i++) OK(syscall(SYS_tgkill, getpid(), tid[i], SIGUSR1)), PT(pthread_join(t[i], NULL));
    t_pass();
}
