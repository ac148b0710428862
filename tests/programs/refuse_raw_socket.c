// needs: root; names: any; expect: raw; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"
// A raw ICMP socket.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    t_go();
    EQ(t_opt(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_ICMP);
    t_pass();
}
