// needs: any; names: any; row: "Descriptors: eventfd, timerfd (ticks), signalfd"
// timerfds of every clock: remaining time, interval, absolute ones, disarmed ones, cancel-on-set.
#include "harness.h"
#include <sys/timerfd.h>
enum { N = 5 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const int clocks[N] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};
    int fd[N];
    for (int i = 0; i < N; i++) {
        fd[i] = OK(timerfd_create(clocks[i], TFD_NONBLOCK | TFD_CLOEXEC));
        struct itimerspec s = {{50 + i, 7}, {2000 + i, 0}};
        int flags = 0;
        if (i == 3) {
            struct timespec now;
            OK(clock_gettime(clocks[i], &now));
            s.it_value.tv_sec = now.tv_sec + 2003;
            flags = TFD_TIMER_ABSTIME;
        }
        if (i != 4) OK(timerfd_settime(fd[i], flags, &s, NULL));
    }
    t_go();
    for (int i = 0; i < N; i++) {
        struct itimerspec s;
        OK(timerfd_gettime(fd[i], &s));
        if (i == 4) EQ(s.it_value.tv_sec, 0);
        else if (s.it_value.tv_sec > 2000 + i || s.it_value.tv_sec < 1800) FAIL("timer %d: %ld s left", i, s.it_value.tv_sec);
        EQ(s.it_interval.tv_sec, i == 4 ? 0 : 50 + i);
        uint64_t ticks;
        FAILS(read(fd[i], &ticks, 8), EAGAIN);
        EQ(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
        struct itimerspec soon = {{0, 0}, {0, 1000000}};
        OK(timerfd_settime(fd[i], 0, &soon, NULL));
        OK(fcntl(fd[i], F_SETFL, 0));
        t_read(fd[i], &ticks, 8);
        EQ(ticks, 1);
    }
    t_pass();
}
