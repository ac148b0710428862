// needs: any; names: any; row: "Descriptors: timerfd (ticks)"
// Timer descriptors: absolute, cancelled when the clock is set, of boottime; one shared with a child, flags, one expired long ago.
#include "harness.h"
#include <sys/timerfd.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int real = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)), boot = OK(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
    int shared = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), past = OK(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)), idle = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    struct itimerspec v = {{7, 0}, {0}}, now;
    OK(clock_gettime(CLOCK_REALTIME, &v.it_value));
    v.it_value.tv_sec += 5000;
    OK(timerfd_settime(real, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &v, NULL));
    OK(timerfd_settime(boot, 0, &(struct itimerspec){{0, 0}, {3000, 0}}, NULL));
    OK(timerfd_settime(shared, 0, &(struct itimerspec){{0, 1000000}, {0, 1000000}}, NULL));
    OK(timerfd_settime(past, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, {1000, 0}}, NULL));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        uint64_t n;
        EQ(OK(read(shared, &n, 8)), 8);
        CHECK(n > 0);
        OK(timerfd_settime(shared, 0, &(struct itimerspec){{0, 0}, {777, 0}}, NULL));
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    OK(timerfd_gettime(shared, &now)), EQ(now.it_value.tv_sec, 776);
    OK(timerfd_gettime(real, &now)), EQ(now.it_interval.tv_sec, 7), CHECK(now.it_value.tv_sec > 4900 && now.it_value.tv_sec <= 5000);
    OK(timerfd_gettime(boot, &now)), CHECK(now.it_value.tv_sec > 2900 && now.it_value.tv_sec < 3000);
    OK(timerfd_gettime(idle, &now)), EQ(now.it_value.tv_nsec + now.it_value.tv_sec, 0);
    uint64_t n;
    EQ(OK(read(past, &n, 8)), 8), EQ(n, 1);
    FAILS(read(real, &n, 8), EAGAIN), FAILS(read(idle, &n, 8), EAGAIN);
    EQ(OK(fcntl(boot, F_GETFD)), FD_CLOEXEC), EQ(OK(fcntl(boot, F_GETFL)), O_RDWR);
    CHECK(strstr(t_field(t_text("/proc/self/fdinfo/%d", real), "settime flags"), "03"));
    t_pass();
}
