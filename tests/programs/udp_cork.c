// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// A datagram half written under UDP_CORK: its parts arrive as one.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int r = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len), s = OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(connect(s, (void *)&a, len));
    t_set(s, IPPROTO_UDP, UDP_CORK, 1);
    t_say(s, "first half ");
    t_go();
    t_say(s, "second half");
    t_set(s, IPPROTO_UDP, UDP_CORK, 0);
    t_message(r, "first half second half");
    t_pass();
}
