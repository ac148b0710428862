// needs: any; names: any; row: "Internet: listening (backlog, reuse)"
// Listening sockets of IPv4, IPv6 only and dual stack: address, port, options; they accept.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a, b, d = {.sin6_family = AF_INET6}, now;
    socklen_t alen, blen, dlen = sizeof d, len;
    int l4 = t_in_bound(AF_INET, SOCK_STREAM, 7, &a, &alen), l6 = t_in_bound(AF_INET6, SOCK_STREAM, 7, &b, &blen);
    int dual = OK(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    t_set(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0), t_set(dual, SOL_SOCKET, SO_REUSEADDR, 1), t_set(dual, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    int defer = t_opt(dual, IPPROTO_TCP, TCP_DEFER_ACCEPT);
    OK(bind(dual, (void *)&d, sizeof d)), OK(listen(dual, 3)), OK(getsockname(dual, (void *)&d, &dlen));
    t_go();
    len = sizeof now, OK(getsockname(l4, (void *)&now, &len)), MEMEQ(&now, &a, alen);
    len = sizeof now, OK(getsockname(l6, (void *)&now, &len)), MEMEQ(&now, &b, blen);
    len = sizeof now, OK(getsockname(dual, (void *)&now, &len)), MEMEQ(&now, &d, dlen);
    EQ(t_opt(dual, SOL_SOCKET, SO_REUSEADDR), 1), EQ(t_opt(dual, IPPROTO_TCP, TCP_DEFER_ACCEPT), defer), EQ(t_opt(dual, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    EQ(fcntl(dual, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(dual, F_GETFL) & O_NONBLOCK);
    int c = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(c, (void *)&a, alen));
    int s = OK(accept(l4, NULL, NULL));
    t_say(c, "four"), t_stream(s, "four");
    c = OK(socket(AF_INET6, SOCK_STREAM, 0)), OK(connect(c, (void *)&b, blen)), s = OK(accept(l6, NULL, NULL));
    t_say(s, "six"), t_stream(c, "six");
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = d.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    t_set(dual, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0), OK(fcntl(dual, F_SETFL, 0));
    c = OK(socket(AF_INET, SOCK_STREAM, 0)), OK(connect(c, (void *)&v4, sizeof v4)), s = OK(accept(dual, NULL, NULL));
    t_say(c, "dual"), t_stream(s, "dual");
    t_pass();
}
