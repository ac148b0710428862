// needs: any; names: any; row: "Unix sockets: descriptors in flight (also sockets in flight in each other)"
// Descriptors in flight only, their senders closed or dead: files of every sort, in several messages, with positions and flags.
#include "harness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
static void give(int s, const int *fds, int n) {
    char control[CMSG_SPACE(sizeof(int) * 10)] = {0};
    struct iovec io = {"m", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
    EQ(OK(sendmsg(s, &m, 0)), 1);
}
static int take(int s, int *fds) {
    char control[CMSG_SPACE(sizeof(int) * 10)] = {0}, b;
    struct iovec io = {&b, 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    EQ(OK(recvmsg(s, &m, MSG_CMSG_CLOEXEC)), 1);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h);
    int n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(h), sizeof(int) * n);
    return n;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2], d[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    pid_t pid = t_fork();
    if (!pid) {
        int f = t_make_file("f", 100, 1), deleted = t_make_file("dead", 50, 2), event = OK(eventfd(7, EFD_NONBLOCK)), p[2];
        OK(lseek(f, 42, SEEK_SET)), OK(unlink("dead")), OK(pipe(p)), t_write(p[1], "pipe", 4);
        int timer = OK(timerfd_create(CLOCK_MONOTONIC, 0)), ep = OK(epoll_create1(0)), memory = OK(memfd_create("m", 0)), dir = OK(open(".", O_RDONLY | O_DIRECTORY));
        OK(timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {500, 0}}, NULL));
        t_write(memory, "memory", 6);
        struct epoll_event e = {EPOLLIN, {.u64 = 77}};
        OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
        give(s[0], (int[]){f, deleted, event}, 3), give(s[0], (int[]){p[0], ep}, 2), give(d[0], (int[]){timer, memory, dir, f}, 4);
        _exit(0);
    }
    t_reap(pid);
    close(s[0]), close(d[0]);
    t_go();
    int a[10], b[10], c[10];
    EQ(take(s[1], a), 3), EQ(take(s[1], b), 2), EQ(take(d[1], c), 4);
    char x[64];
    EQ(lseek(a[0], 0, SEEK_CUR), 42), OK(lseek(c[3], 50, SEEK_SET)), EQ(lseek(a[0], 0, SEEK_CUR), 50);
    EQ(OK(pread(a[1], x, 64, 0)), 50), t_same(x, 50, 2);
    uint64_t v;
    EQ(OK(read(a[2], &v, 8)), 8), EQ(v, 7), FAILS(read(a[2], &v, 8), EAGAIN);
    struct epoll_event e;
    EQ(OK(epoll_wait(b[1], &e, 1, 0)), 1), EQ(e.data.u64, 77);
    t_read(b[0], x, 4), MEMEQ(x, "pipe", 4), EQ(OK(read(b[0], x, 1)), 0);
    struct itimerspec it;
    OK(timerfd_gettime(c[0], &it)), CHECK(it.it_value.tv_sec > 400);
    EQ(OK(pread(c[1], x, 64, 0)), 6), OK(fstatat(c[2], "f", &(struct stat){0}, 0));
    EQ(OK(read(s[1], x, 1)), 0);
    t_pass();
}
