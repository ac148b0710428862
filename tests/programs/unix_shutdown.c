// needs: any; names: any; row: "Unix sockets: shut down halves"
// Halves shut down, peers closed, with data still queued.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int w[2], r[2], c[2], d[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, w)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, r)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, c)),
        OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    signal(SIGPIPE, SIG_IGN);
    t_say(w[0], "before"), OK(shutdown(w[0], SHUT_WR));
    OK(shutdown(r[0], SHUT_RD));
    t_say(c[1], "closed"), close(c[1]);
    t_say(d[1], "datagram"), close(d[1]);
    t_go();
    char x;
    t_stream(w[1], "before");
    EQ(read(w[1], &x, 1), 0);
    FAILS(write(w[0], "x", 1), EPIPE);
    t_say(w[1], "back"), t_stream(w[0], "back");
    EQ(read(r[0], &x, 1), 0);
    FAILS(write(r[1], "x", 1), EPIPE);
    t_say(r[0], "out"), t_stream(r[1], "out");
    struct pollfd p = {.fd = c[0], .events = POLLIN | POLLRDHUP};
    EQ(poll(&p, 1, 0), 1);
    CHECK(p.revents & POLLHUP);
    t_stream(c[0], "closed");
    EQ(read(c[0], &x, 1), 0);
    FAILS(write(c[0], "x", 1), EPIPE);
    t_message(d[0], "datagram");
    FAILS(send(d[0], "x", 1, 0), ECONNREFUSED);
    t_pass();
}
