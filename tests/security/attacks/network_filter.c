// tries: the host's packet filter: setsockopt(IPT_SO_SET_REPLACE), netfilter's netlink
// wall: seccomp, capabilities
// control: both
#include "attack.h"
ATTACK
{
    char table[96] = "filter";
    long fd = sc(__NR_socket, AF_INET, SOCK_DGRAM, 0);
    long got = sc(__NR_setsockopt, fd, 0, 64 /* IPT_SO_SET_REPLACE */, table, sizeof table);
    if (got == -ENOPROTOOPT) attempt("IPT_SO_SET_REPLACE", got);
    else gate("IPT_SO_SET_REPLACE", got);
    gain("netfilter", sc(__NR_socket, 16, SOCK_RAW, 12 /* NETLINK_NETFILTER */));
    gain("audit", sc(__NR_socket, 16, SOCK_RAW, 9 /* NETLINK_AUDIT */));
    gain("devices", sc(__NR_socket, 16, SOCK_RAW, 15 /* NETLINK_KOBJECT_UEVENT */));
}
