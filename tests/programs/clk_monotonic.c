// needs: any; names: any; row: "Names: monotonic and boottime clocks never jump back"
// No clock goes back, in libc and by system call; the time away shows in the realtime clock only in seconds, not in years.
#include "harness.h"
static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME};
static double raw(clockid_t c) {
    struct timespec ts;
    OK(syscall(SYS_clock_gettime, c, &ts));
    return ts.tv_sec + ts.tv_nsec / 1e9;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    double before[5];
    for (int i = 0; i < 5; i++) before[i] = t_now(clocks[i]);
    t_go();
    for (int i = 0; i < 5; i++) {
        double now = t_now(clocks[i]), direct = raw(clocks[i]);
        if (now < before[i]) FAIL("clock %d went back %f s", clocks[i], before[i] - now);
        if (now - before[i] > 300) FAIL("clock %d went ahead %f s", clocks[i], now - before[i]);
        if (direct < now - 0.02 || direct > now + 5) FAIL("clock %d: system call says %f, libc %f", clocks[i], direct, now);
    }
    t_pass();
}
