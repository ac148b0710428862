// needs: any; names: any; row: "Internet: every state of TCP"
// Connections that came about in odd ways: to itself, at the same time, by a socket that served before, between other addresses, in flight.
#include "socket.h"
static struct sockaddr_in at(uint32_t ip, int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
}
static int port(int fd) {
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    OK(getsockname(fd, (void *)&a, &len));
    return ntohs(a.sin6_port);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    // to itself
    int own = t_in_bound(AF_INET, SOCK_STREAM, -1, &a, &len);
    OK(connect(own, (void *)&a, len));
    t_say(own, "to myself");
    // between other addresses of the loopback network, and many to one
    int door = OK(socket(AF_INET, SOCK_STREAM, 0)), c[6], s[6];
    struct sockaddr_in any = at(0, 0);
    OK(bind(door, (void *)&any, sizeof any)), OK(listen(door, 9));
    for (int i = 0; i < 6; i++) {
        struct sockaddr_in mine = at(0x7f000002 + i, 0), there = at(0x7f000010 + i, port(door));
        c[i] = OK(socket(AF_INET, SOCK_STREAM, 0));
        OK(bind(c[i], (void *)&mine, sizeof mine)), OK(connect(c[i], (void *)&there, sizeof there));
        s[i] = OK(accept(door, NULL, NULL));
        t_say(c[i], t_text("client %d", i)), t_say(s[i], t_text("server %d", i));
    }
    // the end of one, the urge of another, both directions shut
    OK(shutdown(c[0], SHUT_WR)), EQ(OK(send(c[1], "!", 1, MSG_OOB)), 1), OK(shutdown(c[2], SHUT_WR)), OK(shutdown(s[2], SHUT_WR));
    close(s[3]); // with data unread: c[3] is reset
    t_ms(20);
    // peer closed, then what was sent to it broke the connection
    int p[2];
    t_tcp_pair(AF_INET, p);
    close(p[1]), t_ms(10), t_say(p[0], "nobody"), t_ms(10);
    // in flight only
    int f[2], u[2], in;
    t_tcp_pair(AF_INET6, f);
    t_say(f[0], "flies");
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, u));
    t_send_fds(u[0], "f", 1, &f[1], 1), close(f[1]);
    int kept = dup(own), unread = t_opt(c[4], SOL_SOCKET, SO_ERROR);
    t_go();
    EQ(unread, 0);
    t_stream(kept, "to myself"), t_say(own, "again"), t_stream(kept, "again");
    char b[8];
    for (int i = 0; i < 6; i++) {
        if (i == 3) continue;
        t_stream(s[i], t_text("client %d", i)), t_stream(c[i], t_text("server %d", i));
    }
    EQ(OK(recv(s[0], b, 8, MSG_DONTWAIT)), 0), t_say(s[0], "still"), t_stream(c[0], "still");
    EQ(OK(recv(s[1], b, 8, MSG_OOB)), 1), EQ(b[0], '!');
    EQ(OK(recv(s[2], b, 8, MSG_DONTWAIT)), 0), EQ(OK(recv(c[2], b, 8, MSG_DONTWAIT)), 0);
    t_stream(c[3], "server 3"), FAILS(recv(c[3], b, 8, MSG_DONTWAIT), ECONNRESET);
    EQ(OK(recv(p[0], b, 8, MSG_DONTWAIT)), 0);
    EQ(t_opt(p[0], SOL_SOCKET, SO_ERROR), EPIPE);
    ssize_t got;
    EQ(t_recv_fds(u[1], b, 1, &got, &in, 1, NULL), 1);
    t_stream(in, "flies"), t_say(in, "back"), t_stream(f[0], "back");
    t_pass();
}
