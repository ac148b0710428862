// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Connected UDP sockets with halves shut down, and a multicast group joined.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a, b;
    socklen_t len;
    int r = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len), s = t_in_bound(AF_INET, SOCK_DGRAM, -1, &b, &len);
    OK(connect(r, (void *)&b, len)), OK(connect(s, (void *)&a, len));
    OK(shutdown(s, SHUT_WR)), OK(shutdown(r, SHUT_RD));
    struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xe0000a0a), .imr_address.s_addr = htonl(INADDR_LOOPBACK)};
    int g = OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(setsockopt(g, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m));
    t_go();
    signal(SIGPIPE, SIG_IGN);
    FAILS(send(s, "x", 1, 0), EPIPE);
    char c;
    EQ(recv(r, &c, 1, 0), 0);
    FAILS(setsockopt(g, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), EADDRINUSE);
    OK(setsockopt(g, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m));
    t_pass();
}
