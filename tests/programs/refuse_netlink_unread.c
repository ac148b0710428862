// needs: any; names: any; expect: netlink; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"
// A netlink socket with an answer of the kernel's that has not been read.
#include "socket.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
        struct nlmsghdr h;
        struct rtgenmsg g;
    } q = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 9}, {AF_UNSPEC}};
    OK(send(fd, &q, q.h.nlmsg_len, 0));
    t_go();
    char r[32768];
    CHECK(OK(recv(fd, r, sizeof r, MSG_DONTWAIT)) > (ssize_t)sizeof(struct nlmsghdr));
    EQ(((struct nlmsghdr *)r)->nlmsg_seq, 9);
    t_pass();
}
