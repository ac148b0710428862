// needs: any; names: any; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"
// An idle netlink socket, bound: it answers afterwards under the port it had.
#include "socket.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct sockaddr_nl a = {.nl_family = AF_NETLINK}, b;
    socklen_t len = sizeof a;
    OK(bind(fd, (void *)&a, len)), OK(getsockname(fd, (void *)&a, &len));
    t_go();
    len = sizeof b;
    OK(getsockname(fd, (void *)&b, &len));
    MEMEQ(&b, &a, sizeof a);
    struct {
        struct nlmsghdr h;
        struct rtgenmsg g;
    } q = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 9}, {AF_UNSPEC}};
    OK(send(fd, &q, q.h.nlmsg_len, 0));
    char r[32768];
    CHECK(OK(recv(fd, r, sizeof r, 0)) > (ssize_t)sizeof(struct nlmsghdr));
    EQ(((struct nlmsghdr *)r)->nlmsg_seq, 9);
    EQ(((struct nlmsghdr *)r)->nlmsg_pid, a.nl_pid);
    t_pass();
}
