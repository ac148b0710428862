// needs: any; names: any; row: "Descriptors: epoll (nested, edge, one-shot, data)"
// epoll in epoll in epoll, also in poll; a set shared by fork; a waiter blocked on the outermost.
#include "harness.h"
#include <sys/epoll.h>
static int outer;
static void *waiter(void *u) {
    struct epoll_event e;
    EQ(OK(epoll_wait(outer, &e, 1, -1)), 1);
    EQ(e.data.u64, 3);
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p[2], ep[3];
    OK(pipe(p));
    for (int i = 0; i < 3; i++) {
        ep[i] = OK(epoll_create1(0));
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i + 1};
        OK(epoll_ctl(ep[i], EPOLL_CTL_ADD, i ? ep[i - 1] : p[0], &e));
    }
    outer = ep[2];
    pthread_t t = t_thread(waiter, NULL);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        struct epoll_event e;
        EQ(OK(epoll_wait(ep[0], &e, 1, 10000)), 1);
        EQ(e.data.u64, 1);
        struct epoll_event mod = {.events = EPOLLIN, .data.u64 = 77};
        OK(epoll_ctl(ep[0], EPOLL_CTL_MOD, p[0], &mod));
        _exit(0);
    }
    t_await("child");
    t_ms(30);
    t_go();
    t_write(p[1], "x", 1);
    PT(pthread_join(t, NULL));
    t_reap(pid);
    struct epoll_event e;
    EQ(OK(epoll_wait(ep[0], &e, 1, 0)), 1);
    EQ(e.data.u64, 77);
    EQ(OK(epoll_wait(ep[1], &e, 1, 0)), 1);
    EQ(e.data.u64, 2);
    t_pass();
}
