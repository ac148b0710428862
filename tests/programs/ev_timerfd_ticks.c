// needs: any; names: any; row: "Descriptors: eventfd, timerfd (ticks), signalfd"
// Unread ticks of a periodic and an expired one-shot timerfd; one shared with a child; a reader blocked on one.
#include "harness.h"
#include <sys/timerfd.h>
static int slow;
static double due;
static void *reader(void *u) {
    uint64_t v;
    t_read(slow, &v, 8);
    EQ(v, 1);
    if (t_now(CLOCK_MONOTONIC) < due) FAIL("%f s early", due - t_now(CLOCK_MONOTONIC));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int periodic = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), once = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    slow = OK(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec p = {{0, 10000000}, {0, 10000000}}, o = {{0, 0}, {0, 1000000}}, s = {{0, 0}, {2, 0}};
    OK(timerfd_settime(periodic, 0, &p, NULL)), OK(timerfd_settime(once, 0, &o, NULL));
    due = t_now(CLOCK_MONOTONIC) + 1.99;
    OK(timerfd_settime(slow, 0, &s, NULL));
    pthread_t t = t_thread(reader, NULL);
    t_ms(300);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        uint64_t v;
        t_read(once, &v, 8);
        EQ(v, 1);
        _exit(0);
    }
    t_await("child");
    t_go();
    uint64_t v;
    t_read(periodic, &v, 8);
    if (v < 29) FAIL("%lu ticks", v);
    t_ms(50);
    t_read(periodic, &v, 8);
    if (v < 2) FAIL("%lu ticks in 50 ms", v);
    t_reap(pid);
    FAILS(read(once, &v, 8), EAGAIN);
    PT(pthread_join(t, NULL));
    t_pass();
}
