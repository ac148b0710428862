// needs: any; names: any; row: "Internet: all options"
// Options of TCP connections: nodelay, cork with data held back, keepalive times, user timeout, buffers, tos, congestion.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2], k[2];
    t_tcp_pair(AF_INET, s), t_tcp_pair(AF_INET6, k);
    static const struct {
        int level, name, value;
    } o[] = {{IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 77}, {IPPROTO_TCP, TCP_KEEPINTVL, 11},
             {IPPROTO_TCP, TCP_KEEPCNT, 5}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 12345}, {IPPROTO_TCP, TCP_SYNCNT, 3}, {IPPROTO_TCP, TCP_LINGER2, 9},
             {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 5555}, {IPPROTO_IP, IP_TOS, 0x10}, {IPPROTO_IP, IP_TTL, 33}, {SOL_SOCKET, SO_PRIORITY, 3},
             {SOL_SOCKET, SO_OOBINLINE, 1}, {SOL_SOCKET, SO_SNDBUF, 50000}, {SOL_SOCKET, SO_RCVBUF, 40000}};
    const int n = sizeof o / sizeof *o;
    int set[20];
    for (int i = 0; i < n; i++) t_set(s[0], o[i].level, o[i].name, o[i].value);
    for (int i = 0; i < n; i++) set[i] = t_opt(s[0], o[i].level, o[i].name);
    t_set(k[0], IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44), t_set(k[0], IPPROTO_IPV6, IPV6_TCLASS, 0x20);
    t_set(s[1], IPPROTO_TCP, TCP_CORK, 1), t_say(s[1], "corked");
    OK(setsockopt(k[1], IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    t_go();
    for (int i = 0; i < n; i++)
        if (t_opt(s[0], o[i].level, o[i].name) != set[i])
            FAIL("option %d.%d: expected %d, actual %d", o[i].level, o[i].name, set[i], t_opt(s[0], o[i].level, o[i].name));
    EQ(t_opt(k[0], IPPROTO_IPV6, IPV6_UNICAST_HOPS), 44), EQ(t_opt(k[0], IPPROTO_IPV6, IPV6_TCLASS), 0x20);
    EQ(t_opt(s[1], IPPROTO_TCP, TCP_CORK), 1);
    char c[16] = {0};
    socklen_t len = sizeof c;
    OK(getsockopt(k[1], IPPROTO_TCP, TCP_CONGESTION, c, &len));
    STREQ(c, "reno");
    t_say(s[1], " and open"), t_set(s[1], IPPROTO_TCP, TCP_CORK, 0);
    t_stream(s[0], "corked and open");
    t_pass();
}
