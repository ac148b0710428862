// needs: any; names: any; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"; profile: none
// Netlink sockets with addresses of their own choice, multicast groups and options, which answer requests after.
#include "harness.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), one = 1, ev = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    struct stat place; // tells this run from others
    OK(stat(".", &place));
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_pid = 0x70000000 + place.st_ino % 999983, .nl_groups = RTMGRP_LINK}, now;
    OK(bind(s, (void *)&a, sizeof a));
    int group = RTNLGRP_IPV4_IFADDR;
    OK(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group)), OK(setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one));
    t_go();
    socklen_t len = sizeof now;
    OK(getsockname(s, (void *)&now, &len)), EQ(now.nl_pid, a.nl_pid), EQ(now.nl_groups, RTMGRP_LINK | RTMGRP_IPV4_IFADDR);
    struct { struct nlmsghdr h; struct rtgenmsg g; } r = {{sizeof r, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
    EQ(OK(send(s, &r, sizeof r, 0)), (long)sizeof r);
    char b[16384];
    CHECK(OK(recv(s, b, sizeof b, 0)) > (long)sizeof(struct nlmsghdr));
    EQ(((struct nlmsghdr *)b)->nlmsg_type, RTM_NEWLINK);
    FAILS(recv(ev, b, sizeof b, 0), EAGAIN);
    t_pass();
}
