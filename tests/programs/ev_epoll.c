// needs: any; names: any; row: "Descriptors: epoll (nested, edge, one-shot, data)"
// An epoll set of level, edge, one-shot (fired and not) and disabled entries with 64-bit data; modified and deleted after.
#include "harness.h"
#include <sys/epoll.h>
static struct epoll_event ev[16];
static uint64_t find(int n, uint64_t data) {
    for (int i = 0; i < n; i++)
        if (ev[i].data.u64 == data) return ev[i].events;
    return 0;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int ep = OK(epoll_create1(EPOLL_CLOEXEC)), p[6][2];
    static const uint32_t events[6] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT, EPOLLIN | EPOLLONESHOT, 0, EPOLLOUT};
    for (int i = 0; i < 6; i++) {
        OK(pipe(p[i]));
        struct epoll_event e = {.events = events[i], .data.u64 = 0xdead0000beef0000 + i};
        OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[i][i == 5], &e));
    }
    t_write(p[3][1], "x", 1);
    int n = OK(epoll_wait(ep, ev, 16, 0));
    EQ(n, 2); // the one-shot, now spent, and the writable one
    t_go();
    EQ(fcntl(ep, F_GETFD), FD_CLOEXEC);
    n = OK(epoll_wait(ep, ev, 16, 0));
    EQ(n, 1);
    EQ(ev[0].data.u64, 0xdead0000beef0005);
    EQ(ev[0].events, EPOLLOUT);
    for (int i = 0; i < 5; i++) t_write(p[i][1], "y", 1);
    n = OK(epoll_wait(ep, ev, 16, 0));
    EQ(n, 4);
    EQ(find(n, 0xdead0000beef0000), EPOLLIN);
    EQ(find(n, 0xdead0000beef0001), EPOLLIN);
    EQ(find(n, 0xdead0000beef0002), EPOLLIN);
    n = OK(epoll_wait(ep, ev, 16, 0));
    EQ(n, 2); // level and writable only: the edge is seen, the one-shot spent
    EQ(find(n, 0xdead0000beef0000), EPOLLIN);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 5};
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, p[3][0], &e));
    EQ(epoll_wait(ep, ev, 16, 0), 3);
    OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0][0], NULL));
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, p[1][0], &e), EEXIST);
    EQ(epoll_wait(ep, ev, 16, 0), 2);
    t_pass();
}
