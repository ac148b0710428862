// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// IPv6 datagrams queued over the go signal, a connected pair of sockets, buffer sizes.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a, b;
    socklen_t len;
    int r = t_in_bound(AF_INET6, SOCK_DGRAM, -1, &a, &len), s = t_in_bound(AF_INET6, SOCK_DGRAM, -1, &b, &len);
    OK(connect(r, (void *)&b, len)), OK(connect(s, (void *)&a, len));
    t_set(r, SOL_SOCKET, SO_RCVBUF, 100000);
    int size = t_opt(r, SOL_SOCKET, SO_RCVBUF);
    for (int i = 0; i < 20; i++) t_say(s, t_text("datagram %d", i));
    t_say(r, "answer");
    t_go();
    EQ(t_opt(r, SOL_SOCKET, SO_RCVBUF), size);
    for (int i = 0; i < 20; i++) t_message(r, t_text("datagram %d", i));
    t_message(s, "answer");
    t_say(s, "more"), t_message(r, "more");
    t_pass();
}
