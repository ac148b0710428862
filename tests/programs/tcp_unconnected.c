// needs: any; names: any; row: "Internet: connecting"
// Sockets not yet connected: fresh, bound, with options, one whose connection was refused, one reset by its peer.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a, free_port, now;
    socklen_t alen, flen, len;
    int fresh = OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), bound = t_in_bound(AF_INET, SOCK_STREAM, -1, &a, &alen);
    t_set(fresh, IPPROTO_TCP, TCP_NODELAY, 1), t_set(fresh, SOL_SOCKET, SO_REUSEADDR, 1);
    int tmp = t_in_bound(AF_INET, SOCK_STREAM, -1, &free_port, &flen), s[2];
    close(tmp);
    t_tcp_pair(AF_INET, s);
    struct linger hard = {1, 0};
    OK(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard)), close(s[1]);
    t_ms(20);
    t_go();
    EQ(t_opt(fresh, IPPROTO_TCP, TCP_NODELAY), 1), EQ(fcntl(fresh, F_GETFD), FD_CLOEXEC);
    len = sizeof now, OK(getsockname(bound, (void *)&now, &len)), MEMEQ(&now, &a, alen);
    OK(listen(bound, 2)), OK(connect(fresh, (void *)&a, alen));
    int c = OK(accept(bound, NULL, NULL));
    t_say(c, "ok"), t_stream(fresh, "ok");
    char x;
    FAILS(recv(s[0], &x, 1, 0), ECONNRESET);
    t_pass();
}
