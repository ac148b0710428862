// needs: any; names: any; row: "Descriptors: epoll (nested, edge, one-shot, data)"
// One epoll set used by two processes and three threads that wait, sets in sets four deep, a set that is in flight.
#include "harness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
static int ep, event;
static volatile int woken;
static void *run(void *arg) {
    struct epoll_event e;
    t_mark(t_text("t%ld", (long)arg));
    EQ(OK(epoll_wait(ep, &e, 1, -1)), 1);
    EQ(e.data.u32, 5);
    uint64_t v;
    EQ(OK(read(event, &v, 8)), 8);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    ep = OK(epoll_create1(0)), event = OK(eventfd(0, EFD_SEMAPHORE));
    struct epoll_event e = {EPOLLIN | EPOLLET, {.u32 = 5}};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, event, &e));
    int chain[4], p[2];
    OK(pipe(p));
    for (int i = 0; i < 4; i++) {
        chain[i] = OK(epoll_create1(0));
        e = (struct epoll_event){EPOLLIN, {.u32 = 100 + i}};
        OK(epoll_ctl(chain[i], EPOLL_CTL_ADD, i ? chain[i - 1] : p[0], &e));
    }
    t_write(p[1], "x", 1);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        struct epoll_event got;
        t_wait();
        EQ(OK(epoll_wait(chain[3], &got, 1, 1000)), 1), EQ(got.data.u32, 103);
        OK(epoll_ctl(ep, EPOLL_CTL_MOD, event, &(struct epoll_event){EPOLLIN | EPOLLET, {.u32 = 5}}));
        _exit(0);
    }
    t_await("child");
    pthread_t t[3];
    for (long i = 0; i < 3; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 3; i++) t_await(t_text("t%d", i));
    t_ms(50);
    t_go();
    t_reap(pid);
    EQ(woken, 0);
    for (int i = 0; i < 3; i++) {
        uint64_t one = 1;
        EQ(OK(write(event, &one, 8)), 8);
        for (int k = 0; k < 500 && woken <= i; k++) t_ms(10);
        EQ(woken, i + 1);
    }
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    char b;
    t_read(p[0], &b, 1);
    EQ(OK(epoll_wait(chain[3], &e, 1, 0)), 0);
    t_pass();
}
