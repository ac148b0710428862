// needs: any; names: any; row: "Descriptors: eventfd, timerfd (ticks), signalfd"
// eventfds: counters, semaphore mode, at the maximum, shared with a child, a reader blocked.
#include "harness.h"
#include <sys/eventfd.h>
static int waited;
static void *reader(void *u) {
    uint64_t v;
    t_read(waited, &v, 8);
    EQ(v, 33);
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    uint64_t v = UINT64_MAX - 1;
    int plain = OK(eventfd(0x12345, EFD_CLOEXEC)), sem = OK(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK)), full = OK(eventfd(0, EFD_NONBLOCK)),
        zero = OK(eventfd(0, EFD_NONBLOCK));
    waited = OK(eventfd(0, 0));
    t_write(full, &v, 8);
    pthread_t t = t_thread(reader, NULL);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        v = 7;
        t_write(zero, &v, 8);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    t_read(zero, &v, 8);
    EQ(v, 7);
    t_read(plain, &v, 8);
    EQ(v, 0x12345);
    EQ(fcntl(plain, F_GETFD), FD_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        t_read(sem, &v, 8);
        EQ(v, 1);
    }
    FAILS(read(sem, &v, 8), EAGAIN);
    v = 1;
    FAILS(write(full, &v, 8), EAGAIN);
    t_read(full, &v, 8);
    EQ(v, UINT64_MAX - 1);
    v = 33;
    t_write(waited, &v, 8);
    PT(pthread_join(t, NULL));
    t_pass();
}
