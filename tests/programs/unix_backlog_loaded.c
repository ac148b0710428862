// needs: any; names: any; row: "Unix sockets: listening with backlog and pending connections"
// Connections not yet accepted, with data, descriptors and credentials in them, one half shut down, one whose client is gone.
#include "socket.h"
#include <sys/un.h>
static struct sockaddr_un name = {AF_UNIX, "listener"};
static int dial(void) {
    int s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(connect(s, (void *)&name, sizeof name));
    return s;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int l = OK(socket(AF_UNIX, SOCK_STREAM, 0)), p[2];
    OK(bind(l, (void *)&name, sizeof name)), OK(listen(l, 10)), OK(pipe(p));
    t_write(p[1], "in flight", 9);
    int c1 = dial(), c2 = dial(), c3 = dial(), c4 = dial();
    t_write(c1, "plain", 5);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec io = {"with", 4};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &p[0], sizeof(int));
    EQ(OK(sendmsg(c2, &m, 0)), 4);
    close(p[0]), close(p[1]);
    t_write(c3, "half", 4), OK(shutdown(c3, SHUT_WR));
    t_write(c4, "gone", 4), close(c4);
    t_go();
    char b[16];
    int a1 = OK(accept(l, NULL, NULL)), a2 = OK(accept(l, NULL, NULL)), a3 = OK(accept(l, NULL, NULL)), a4 = OK(accept(l, NULL, NULL));
    t_read(a1, b, 5), MEMEQ(b, "plain", 5);
    io = (struct iovec){b, 16};
    memset(control, 0, sizeof control);
    m.msg_controllen = sizeof control;
    EQ(OK(recvmsg(a2, &m, 0)), 4);
    h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_type == SCM_RIGHTS);
    int got;
    memcpy(&got, CMSG_DATA(h), sizeof got);
    t_read(got, b, 9), MEMEQ(b, "in flight", 9), EQ(OK(read(got, b, 1)), 0);
    t_read(a3, b, 4), EQ(OK(read(a3, b, 1)), 0), t_write(a3, "back", 4), t_read(c3, b, 4);
    t_read(a4, b, 4), EQ(OK(read(a4, b, 1)), 0);
    t_write(c1, "more", 4), t_read(a1, b, 4);
    t_pass();
}
