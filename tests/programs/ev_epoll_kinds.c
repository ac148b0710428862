// needs: any; names: any; row: "Descriptors: epoll (nested, edge, one-shot, data)"
// One set with descriptors of every kind, exclusive, of edges, once, one closed while a duplicate lives, one twice under two numbers.
#include "harness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
static int ep;
static void add(int fd, unsigned events, uint64_t data) {
    struct epoll_event e = {events, {.u64 = data}};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}
static unsigned fired(uint64_t data) {
    struct epoll_event e[32];
    int n = OK(epoll_wait(ep, e, 32, 0));
    for (int i = 0; i < n; i++)
        if (e[i].data.u64 == data) return e[i].events;
    return 0;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), OK(sigprocmask(SIG_BLOCK, &set, NULL));
    ep = OK(epoll_create1(EPOLL_CLOEXEC));
    int event = OK(eventfd(0, 0)), timer = OK(timerfd_create(CLOCK_MONOTONIC, 0)), sig = OK(signalfd(-1, &set, 0)), ino = OK(inotify_init()), p[2], s[2], x[2], z[2];
    OK(pipe(p)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(pipe(x)), OK(pipe(z));
    pid_t pid = t_fork();
    if (!pid) {
        OK(syscall(SYS_close_range, 3, ~0u, 0));
        t_await("die");
        _exit(0);
    }
    int pidfd = OK((int)syscall(SYS_pidfd_open, pid, 0));
    OK(inotify_add_watch(ino, t_dir, IN_DELETE));
    add(event, EPOLLIN | EPOLLEXCLUSIVE, 1), add(timer, EPOLLIN, 2), add(sig, EPOLLIN | EPOLLET, 3), add(ino, EPOLLIN, 4);
    add(p[0], EPOLLIN | EPOLLET | EPOLLRDHUP, 5), add(s[0], EPOLLIN | EPOLLOUT | EPOLLONESHOT, ~0ull), add(pidfd, EPOLLIN, 7);
    int twin = OK(dup(x[0]));
    add(x[0], EPOLLIN, 8), add(twin, EPOLLIN | EPOLLONESHOT, 9), add(z[0], EPOLLIN, 10);
    int alive = OK(dup(z[0]));
    close(z[0]); // still in the set
    EQ(fired(~0ull), EPOLLOUT);
    EQ(fired(~0ull), 0);
    t_go();
    EQ(fired(~0ull), 0);
    uint64_t v = 1;
    t_write(event, &v, 8), EQ(fired(1), EPOLLIN);
    OK(timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 1}}, NULL)), t_ms(5), EQ(fired(2), EPOLLIN);
    raise(SIGUSR1), EQ(fired(3), EPOLLIN);
    t_write(p[1], "x", 1), EQ(fired(5), EPOLLIN), EQ(fired(5), 0), close(p[1]), CHECK(fired(5) & EPOLLHUP);
    struct epoll_event e = {EPOLLIN | EPOLLONESHOT, {.u64 = 66}};
    OK(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &e)), t_write(s[1], "x", 1), EQ(fired(66), EPOLLIN), EQ(fired(66), 0);
    t_write(x[1], "x", 1), EQ(fired(8), EPOLLIN), EQ(fired(8), EPOLLIN), EQ(fired(9), 0);
    t_write(z[1], "x", 1), EQ(fired(10), EPOLLIN);
    t_mark("die"), OK(waitid(P_PID, pid, &(siginfo_t){0}, WEXITED | WNOWAIT)), EQ(fired(7) & EPOLLIN, EPOLLIN);
    OK(unlink("die")), EQ(fired(4), EPOLLIN);
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, x[0], &e), EEXIST);
    (void)alive;
    t_reap(pid);
    t_pass();
}
