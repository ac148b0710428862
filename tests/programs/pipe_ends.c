// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// Pipes with one side left: data and no writer, a writer and no reader; both ends in one process and in flight in itself.
#include "harness.h"
#include <poll.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    int a[2], b[2], c[2], s[2];
    OK(pipe(a)), OK(pipe(b)), OK(pipe(c)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    t_write(a[1], "left", 4), close(a[1]), close(b[0]);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec io = {"x", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &c[1], sizeof(int));
    EQ(OK(sendmsg(s[0], &m, 0)), 1);
    close(c[1]); // the writer is in flight only
    t_go();
    char x[8];
    EQ(OK(read(a[0], x, 8)), 4), EQ(OK(read(a[0], x, 8)), 0);
    FAILS(write(b[1], "x", 1), EPIPE);
    struct pollfd p[] = {{a[0], POLLIN, 0}, {b[1], POLLOUT, 0}, {c[0], POLLIN, 0}};
    EQ(OK(poll(p, 3, 0)), 2);
    CHECK(p[0].revents & POLLHUP), CHECK(p[1].revents & POLLERR);
    close(s[0]), close(s[1]);
    EQ(OK(read(c[0], x, 8)), 0);
    t_pass();
}
