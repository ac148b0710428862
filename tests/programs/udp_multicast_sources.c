// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Memberships with lists of sources: one by one, many at once, those to be left out; under a filter and beside sticky headers.
#include "socket.h"
#include <linux/filter.h>
enum { MANY = 10, GROUPS = 3 };
static struct sockaddr_storage address(int family, const char *text) {
    struct sockaddr_storage a = {.ss_family = family};
    EQ(inet_pton(family, text, family == AF_INET ? (void *)&((struct sockaddr_in *)&a)->sin_addr : (void *)&((struct sockaddr_in6 *)&a)->sin6_addr), 1);
    return a;
}
static int sources(int fd, int family, const char *group, unsigned *mode, int expected) {
    static char room[GROUP_FILTER_SIZE(400)];
    struct group_filter *f = (void *)room;
    memset(room, 0, sizeof room);
    f->gf_interface = 1, f->gf_group = address(family, group), f->gf_numsrc = 400;
    socklen_t len = sizeof room;
    OK(getsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, MCAST_MSFILTER, f, &len));
    *mode = f->gf_fmode;
    for (int i = 0; i < expected; i++) {
        struct sockaddr_storage want = address(family, t_text(family == AF_INET ? "10.1.2.%d" : "fd00::%d", i + 1));
        if (family == AF_INET) EQ(((struct sockaddr_in *)&f->gf_slist[i])->sin_addr.s_addr, ((struct sockaddr_in *)&want)->sin_addr.s_addr);
        else MEMEQ(&((struct sockaddr_in6 *)&f->gf_slist[i])->sin6_addr, &((struct sockaddr_in6 *)&want)->sin6_addr, 16);
    }
    return f->gf_numsrc;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int four = OK(socket(AF_INET, SOCK_DGRAM, 0)), six = OK(socket(AF_INET6, SOCK_DGRAM, 0));
    int lists[] = {3, MANY, 0};
    const char *groups[] = {"239.7.7.1", "239.7.7.2", "239.7.7.3"}, *groups6[] = {"ff15::71", "ff15::72", "ff15::73"};
    for (int family = AF_INET;; family = AF_INET6) {
        int fd = family == AF_INET ? four : six, level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
        const char **names = family == AF_INET ? groups : groups6;
        for (int i = 0; i < lists[0]; i++) {
            struct group_source_req r = {.gsr_interface = 1, .gsr_group = address(family, names[0]), .gsr_source = address(family, t_text(family == AF_INET ? "10.1.2.%d" : "fd00::%d", i + 1))};
            OK(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &r, sizeof r));
        }
        for (int i = 1; i < GROUPS; i++) {
            struct group_req r = {.gr_interface = 1, .gr_group = address(family, names[i])};
            OK(setsockopt(fd, level, MCAST_JOIN_GROUP, &r, sizeof r));
        }
        for (int i = 0; i < lists[1]; i++) {
            struct group_source_req r = {.gsr_interface = 1, .gsr_group = address(family, names[1]), .gsr_source = address(family, t_text(family == AF_INET ? "10.1.2.%d" : "fd00::%d", i + 1))};
            OK(setsockopt(fd, level, MCAST_BLOCK_SOURCE, &r, sizeof r));
        }
        if (family == AF_INET6) break;
    }
    // as many as the host allows, which is more than 64 where net.ipv4.igmp_max_msf says so
    int most = 0;
    int wide = OK(socket(AF_INET6, SOCK_DGRAM, 0));
    {
        struct group_req r = {.gr_interface = 1, .gr_group = address(AF_INET6, "ff15::99")};
        OK(setsockopt(wide, IPPROTO_IPV6, MCAST_JOIN_GROUP, &r, sizeof r));
        static char room[GROUP_FILTER_SIZE(300)];
        struct group_filter *f = (void *)room;
        f->gf_interface = 1, f->gf_group = address(AF_INET6, "ff15::99"), f->gf_fmode = MCAST_INCLUDE;
        for (int i = 0; i < 300; i++) f->gf_slist[i] = address(AF_INET6, t_text("fd00::%d", i + 1));
        for (most = 300; most > 0; most /= 2) {
            f->gf_numsrc = most;
            if (!setsockopt(wide, IPPROTO_IPV6, MCAST_MSFILTER, f, GROUP_FILTER_SIZE(most))) break;
        }
    }
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_RET | BPF_K, 0xffff)};
    struct sock_fprog program = {2, code};
    OK(setsockopt(six, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
    struct {
        unsigned char next, len, option[6];
    } padding = {0, 0, {1, 4}};
    if (setsockopt(six, IPPROTO_IPV6, IPV6_DSTOPTS, &padding, sizeof padding)) EQ(errno, EPERM);
    t_go();
    for (int family = AF_INET;; family = AF_INET6) {
        const char **names = family == AF_INET ? groups : groups6;
        for (int i = 0; i < GROUPS; i++) {
            unsigned mode;
            EQ(sources(family == AF_INET ? four : six, family, names[i], &mode, lists[i]), lists[i]);
            EQ(mode, i ? MCAST_EXCLUDE : MCAST_INCLUDE);
        }
        if (family == AF_INET6) break;
    }
    unsigned mode;
    EQ(sources(wide, AF_INET6, "ff15::99", &mode, most), most);
    EQ(mode, MCAST_INCLUDE);
    t_pass();
}
