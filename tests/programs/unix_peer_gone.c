// needs: any; names: any; row: "Unix sockets: shut down halves, queued data and boundaries"
// Peers that are closed: with data left to read, with data they never read, datagrams to a dead one, a seqpacket one, an accepted one.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    int a[2], b[2], c[2], d[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, c)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    t_write(a[1], "left", 4), close(a[1]);
    t_write(b[0], "unread", 6), close(b[1]); // its end did not read: the other is reset
    t_write(c[1], "one", 3), t_write(c[1], "two", 3), close(c[1]);
    t_write(d[1], "last", 4), close(d[1]);
    struct sockaddr_un name = {AF_UNIX, "server"};
    int server = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), client = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(bind(server, (void *)&name, sizeof name)), OK(connect(client, (void *)&name, sizeof name));
    close(server);
    t_go();
    char x[8];
    EQ(OK(read(a[0], x, 8)), 4), EQ(OK(read(a[0], x, 8)), 0), FAILS(write(a[0], "x", 1), EPIPE);
    struct pollfd p = {b[0], POLLIN, 0};
    EQ(OK(poll(&p, 1, 0)), 1);
    CHECK(p.revents & POLLHUP);
    FAILS(read(b[0], x, 8), ECONNRESET), EQ(OK(read(b[0], x, 8)), 0);
    EQ(OK(recv(c[0], x, 8, 0)), 3), EQ(OK(recv(c[0], x, 8, 0)), 3), EQ(OK(recv(c[0], x, 8, 0)), 0);
    EQ(OK(recv(d[0], x, 8, 0)), 4);
    FAILS(send(d[0], "x", 1, 0), ECONNREFUSED);
    FAILS(recv(d[0], x, 8, MSG_DONTWAIT), EAGAIN);
    FAILS(send(client, "x", 1, 0), ECONNREFUSED);
    t_pass();
}
