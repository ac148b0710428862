// needs: any; names: any; row: "Task: restart in vdso"
// Threads that read every clock without pause through the vdso: time only goes forward, nothing crashes.
#include "harness.h"
static volatile int stop;
static void *run(void *arg) {
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_MONOTONIC_COARSE};
    clockid_t c = clocks[(long)arg % 4];
    struct timespec last = {0}, now;
    for (long n = 0; !stop; n++) {
        if (clock_gettime(c, &now)) FAIL("clock_gettime: %s", strerror(errno));
        if (now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec < last.tv_nsec))
            FAIL("clock %d went back from %ld.%09ld to %ld.%09ld", c, last.tv_sec, last.tv_nsec, now.tv_sec, now.tv_nsec);
        if (now.tv_nsec < 0 || now.tv_nsec > 999999999) FAIL("%ld ns", now.tv_nsec);
        last = now;
        struct timeval tv;
        unsigned cpu;
        if (n % 64 == 0 && (gettimeofday(&tv, NULL) || syscall(SYS_getcpu, &cpu, NULL, NULL) || sched_getcpu() < 0 || time(NULL) < 1000000)) FAIL("vdso call");
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[6];
    for (long i = 0; i < 6; i++) t[i] = t_thread(run, i);
    t_go();
    t_ms(200);
    stop = 1;
    for (int i = 0; i < 6; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
