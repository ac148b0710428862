// needs: any; names: any; row: "Descriptors: epoll (nested, edge, one-shot, data)"
// An entry whose descriptor number was closed while a duplicate lives, and a number used by two files in turn.
#include "harness.h"
#include <sys/epoll.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int ep = OK(epoll_create1(0)), p[2], q[2];
    OK(pipe(p)), OK(pipe(q));
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 1}, got[4];
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    int held = OK(fcntl(p[0], F_DUPFD, 60));
    OK(dup2(q[0], p[0]));
    e.data.u64 = 2;
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    t_go();
    t_write(p[1], "a", 1);
    EQ(OK(epoll_wait(ep, got, 4, 0)), 1);
    EQ(got[0].data.u64, 1);
    t_write(q[1], "b", 1);
    EQ(OK(epoll_wait(ep, got, 4, 0)), 2);
    close(held);
    EQ(OK(epoll_wait(ep, got, 4, 0)), 1);
    EQ(got[0].data.u64, 2);
    t_pass();
}
