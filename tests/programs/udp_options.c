// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// A corked datagram half written, multicast membership and its options, broadcast, pktinfo, recverr.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int r = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len), m = OK(socket(AF_INET, SOCK_DGRAM, 0));
    static const struct {
        int level, name, value;
    } o[] = {{SOL_SOCKET, SO_BROADCAST, 1}, {IPPROTO_IP, IP_MULTICAST_TTL, 7}, {IPPROTO_IP, IP_MULTICAST_LOOP, 0}, {IPPROTO_IP, IP_PKTINFO, 1},
             {IPPROTO_IP, IP_RECVERR, 1}, {IPPROTO_IP, IP_RECVTTL, 1}, {IPPROTO_IP, IP_RECVTOS, 1}, {SOL_SOCKET, SO_TIMESTAMP, 1},
             {SOL_SOCKET, SO_REUSEADDR, 1}, {SOL_SOCKET, SO_NO_CHECK, 1}};
    const int n = sizeof o / sizeof *o;
    for (int i = 0; i < n; i++) t_set(m, o[i].level, o[i].name, o[i].value);
    t_go();
    for (int i = 0; i < n; i++)
        if (t_opt(m, o[i].level, o[i].name) != o[i].value) FAIL("option %d.%d: %d", o[i].level, o[i].name, t_opt(m, o[i].level, o[i].name));
    EQ(t_opt(r, SOL_SOCKET, SO_BROADCAST), 0);
    OK(sendto(m, "x", 1, 0, (void *)&a, len));
    t_message(r, "x");
    t_pass();
}
