// needs: any; names: any; row: "Internet: all options"
// Options that hold more than a number, or are seldom used: IP and IPv6 extension headers, pacing, TCP's limits, coverage of UDP-Lite;
// and how an epoll set polls.
#include "socket.h"
#include <netinet/ip6.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
enum { UDPLITE = 136, SEND_CSCOV = 10, RECV_CSCOV = 11, MAX = 64 };
static struct {
    int fd, level, name, line;
    unsigned char value[256];
    socklen_t len;
} known[MAX];
static int count;
static socklen_t get(int line, int fd, int level, int name, void *value) {
    socklen_t len = 256;
    if (getsockopt(fd, level, name, value, &len)) t_fail(line, "get option %d.%d: %s", level, name, strerror(errno));
    return len;
}
static void set_option(int line, int fd, int level, int name, const void *value, socklen_t len) {
    unsigned char before[256];
    socklen_t was = get(line, fd, level, name, before);
    if (setsockopt(fd, level, name, value, len)) {
        // of a newer kernel, or for the privileged
        if (errno == ENOPROTOOPT || errno == EPERM || errno == EACCES) return;
        t_fail(line, "set option %d.%d: %s", level, name, strerror(errno));
    }
    int at = count++;
    known[at].fd = fd, known[at].level = level, known[at].name = name, known[at].line = line;
    known[at].len = get(line, fd, level, name, known[at].value);
    if (was == known[at].len && !memcmp(before, known[at].value, was)) t_fail(line, "option %d.%d is as it was", level, name);
}
#define SET(fd, level, name, value) ({ __typeof__((value)) v_ = value; set_option(__LINE__, fd, level, name, &v_, sizeof v_); })
static void of_ipv6(int fd) {
    struct {
        unsigned char next, len, option[6];
    } padding = {0, 0, {1, 4}};
    SET(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding);
    SET(fd, IPPROTO_IPV6, 2 /* IPV6_2292PKTINFO */, 1), SET(fd, IPPROTO_IPV6, 3 /* IPV6_2292HOPOPTS */, 1), SET(fd, IPPROTO_IPV6, 4 /* IPV6_2292DSTOPTS */, 1);
    SET(fd, IPPROTO_IPV6, 5 /* IPV6_2292RTHDR */, 1), SET(fd, IPPROTO_IPV6, 8 /* IPV6_2292HOPLIMIT */, 1), SET(fd, IPPROTO_IPV6, 11 /* IPV6_FLOWINFO */, 1);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int tcp = OK(socket(AF_INET, SOCK_STREAM, 0)), tcp6 = OK(socket(AF_INET6, SOCK_STREAM, 0)), udp = OK(socket(AF_INET, SOCK_DGRAM, 0));
    int udp6 = OK(socket(AF_INET6, SOCK_DGRAM, 0)), listener = t_in_bound(AF_INET, SOCK_STREAM, 5, &a, &len), pair[2], pair6[2];
    t_tcp_pair(AF_INET, pair), t_tcp_pair(AF_INET6, pair6);
    int all[] = {tcp, tcp6, udp, udp6, listener, pair[0], pair6[0]};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) SET(all[i], SOL_SOCKET, 47 /* SO_MAX_PACING_RATE */, 1234567ul), SET(all[i], SOL_SOCKET, SO_DEBUG, 1);
    // record route, three hops
    struct {
        unsigned char option[16];
    } route = {{7, 15, 4}};
    SET(udp, IPPROTO_IP, IP_OPTIONS, route), SET(tcp, IPPROTO_IP, IP_OPTIONS, route), SET(pair[1], IPPROTO_IP, IP_OPTIONS, route);
    of_ipv6(udp6), of_ipv6(tcp6), of_ipv6(pair6[1]);
    SET(tcp, IPPROTO_TCP, TCP_MAXSEG, 1000), SET(tcp6, IPPROTO_TCP, TCP_MAXSEG, 1200), SET(listener, IPPROTO_TCP, TCP_MAXSEG, 1100);
    SET(tcp, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000), SET(listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 30000), SET(pair[0], IPPROTO_TCP, TCP_WINDOW_CLAMP, 25000);
    SET(tcp, IPPROTO_TCP, TCP_QUICKACK, 0), SET(pair6[0], IPPROTO_TCP, TCP_QUICKACK, 0);
    unsigned char key[16];
    t_fill(key, sizeof key, 7);
    set_option(__LINE__, listener, IPPROTO_TCP, 33 /* TCP_FASTOPEN_KEY */, key, sizeof key);
    SET(listener, SOL_SOCKET, SO_LOCK_FILTER, 1);
    SET(tcp6, SOL_SOCKET, SO_PEEK_OFF, 3), SET(pair[1], SOL_SOCKET, SO_PEEK_OFF, 2);
    int set = OK(epoll_create1(0));
    struct {
        uint32_t time;
        uint16_t packets;
        uint8_t preferred, pad;
    } poll_params = {50, 8, 1, 0}, poll_now = {0};
    bool polls = !ioctl(set, _IOC(_IOC_WRITE, 0x8a, 1, 8) /* EPIOCSPARAMS */, &poll_params);
    int lite = socket(AF_INET, SOCK_DGRAM, UDPLITE), lite6 = socket(AF_INET6, SOCK_DGRAM, UDPLITE), peer = -1;
    if (lite >= 0) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        len = sizeof to;
        peer = OK(socket(AF_INET, SOCK_DGRAM, UDPLITE));
        OK(bind(peer, (void *)&to, len)), OK(getsockname(peer, (void *)&to, &len)), OK(connect(lite, (void *)&to, len));
        OK(getsockname(lite, (void *)&to, &len)), OK(connect(peer, (void *)&to, len));
        SET(lite, UDPLITE, SEND_CSCOV, 12), SET(lite, UDPLITE, RECV_CSCOV, 8), SET(lite6, UDPLITE, RECV_CSCOV, 20);
        OK(send(peer, "queued", 6, 0));
        OK(shutdown(peer, SHUT_WR));
    }
    t_go();
    for (int i = 0; i < count; i++) {
        unsigned char now[256];
        socklen_t n = get(known[i].line, known[i].fd, known[i].level, known[i].name, now);
        if (n != known[i].len) t_fail(known[i].line, "option %d.%d has %d bytes instead of %d", known[i].level, known[i].name, (int)n, (int)known[i].len);
        if (memcmp(now, known[i].value, n))
            t_fail(known[i].line, "option %d.%d is %d instead of %d", known[i].level, known[i].name, *(int *)now, *(int *)known[i].value);
    }
    if (lite >= 0) {
        t_message(lite, "queued");
        FAILS(send(peer, "x", 1, MSG_NOSIGNAL), EPIPE);
        OK(send(lite, "enough to be covered", 20, 0));
        t_message(peer, "enough to be covered");
    }
    if (polls) {
        OK(ioctl(set, _IOC(_IOC_READ, 0x8a, 2, 8) /* EPIOCGPARAMS */, &poll_now));
        MEMEQ(&poll_now, &poll_params, 8);
    }
    t_say(pair[0], "there"), t_stream(pair[1], "there");
    t_say(pair6[1], "back"), t_stream(pair6[0], "back");
    t_pass();
}
