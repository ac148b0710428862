// needs: any; names: any; row: "Unix sockets: stream, datagram, seqpacket"
// Sequenced packets: boundaries, empty packets, peeked ones, listening, accepted from another process, full queue.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_un name = {AF_UNIX, "seq"};
    int l = OK(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), pair[2];
    OK(bind(l, (void *)&name, sizeof name)), OK(listen(l, 4));
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
    pid_t pid = t_fork();
    if (!pid) {
        int c = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
        OK(connect(c, (void *)&name, sizeof name));
        EQ(send(c, "one", 3, 0), 3), EQ(send(c, "", 0, 0), 0), EQ(send(c, "three", 5, 0), 5);
        t_mark("child");
        char b[8];
        EQ(recv(c, b, 8, 0), 5);
        _exit(0);
    }
    t_await("child");
    int queued = 0;
    while (send(pair[0], "fill", 4, 0) == 4) queued++;
    int a = OK(accept(l, NULL, NULL));
    char b[8];
    EQ(recv(a, b, 8, MSG_PEEK), 3);
    t_go();
    EQ(recv(a, b, 8, 0), 3), MEMEQ(b, "one", 3), EQ(recv(a, b, 8, 0), 0);
    struct iovec io = {b, 2};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    EQ(recvmsg(a, &m, 0), 2), CHECK(m.msg_flags & MSG_TRUNC);
    FAILS(recv(a, b, 8, MSG_DONTWAIT), EAGAIN);
    EQ(send(a, "reply", 5, 0), 5);
    t_reap(pid);
    EQ(recv(a, b, 8, 0), 0);
    FAILS(send(pair[0], "x", 1, 0), EAGAIN);
    for (int i = 0; i < queued; i++) EQ(recv(pair[1], b, 8, 0), 4);
    FAILS(recv(pair[1], b, 8, 0), EAGAIN);
    t_pass();
}
