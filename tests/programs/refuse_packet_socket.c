// needs: root; names: any; expect: packet; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"; profile: none
// A packet socket.
#include "socket.h"
#include <linux/if_ether.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)));
    t_go();
    EQ(t_opt(fd, SOL_SOCKET, SO_TYPE), SOCK_RAW);
    t_pass();
}
