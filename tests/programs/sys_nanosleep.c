// needs: any; names: any; row: "Task: interrupted system call"
// Threads in nanosleep, relative and absolute clock_nanosleep: they sleep their whole time and never see EINTR.
#include "harness.h"
static void sleeps(clockid_t clock, int flags, const char *what) {
    struct timespec ts = {2, 0}, rem = {123, 456};
    double start = t_now(clock);
    if (flags) clock_gettime(clock, &ts), ts.tv_sec += 2;
    int r = flags || clock != CLOCK_REALTIME ? clock_nanosleep(clock, flags, &ts, &rem) : (nanosleep(&ts, &rem) ? errno : 0);
    if (r) FAIL("%s: %s", what, strerror(r));
    double took = t_now(clock) - start;
    if (took < 1.999) FAIL("%s ended after %f s", what, took);
}
static void *rel(void *u) { return sleeps(CLOCK_REALTIME, 0, "nanosleep"), NULL; }
static void *mono(void *u) { return sleeps(CLOCK_MONOTONIC, 0, "clock_nanosleep monotonic"), NULL; }
static void *mono_abs(void *u) { return sleeps(CLOCK_MONOTONIC, TIMER_ABSTIME, "clock_nanosleep monotonic absolute"), NULL; }
static void *boot_abs(void *u) { return sleeps(CLOCK_BOOTTIME, TIMER_ABSTIME, "clock_nanosleep boottime absolute"), NULL; }
static void *real_abs(void *u) { return sleeps(CLOCK_REALTIME, TIMER_ABSTIME, "clock_nanosleep realtime absolute"), NULL; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[] = {t_thread(rel, 0), t_thread(mono, 0), t_thread(mono_abs, 0), t_thread(boot_abs, 0), t_thread(real_abs, 0)};
    t_ms(20);
    t_go();
    for (int i = 0; i < 5; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
