// needs: root; names: any; row: "Internet: all options"; profile: none
// Sockets bound to a device, with marks, of foreign and to-be addresses (transparent, freebind), of reserved ports.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#ifndef IP_TRANSPARENT
#define IP_TRANSPARENT 19
#endif
#ifndef IP_FREEBIND
#define IP_FREEBIND 15
#endif
static void set(int s, int level, int option, int value) { OK(setsockopt(s, level, option, &value, sizeof value)); }
static int get(int s, int level, int option) {
    int v = -1;
    socklen_t len = sizeof v;
    OK(getsockopt(s, level, option, &v, &len));
    return v;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int dev = OK(socket(AF_INET, SOCK_STREAM, 0)), mark = OK(socket(AF_INET, SOCK_DGRAM, 0)), trans = OK(socket(AF_INET, SOCK_STREAM, 0)), free_ = OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(setsockopt(dev, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    set(dev, SOL_SOCKET, SO_REUSEADDR, 1); // an earlier run may have left a connection in TIME_WAIT
    struct stat place; // tells this run from others
    OK(stat(".", &place));
    struct sockaddr_in low = {AF_INET, htons(300 + place.st_ino % 700), {0}, {0}}, foreign = {AF_INET, htons(10000 + place.st_ino % 20000), {inet_addr("203.0.113.7")}, {0}}, now;
    OK(bind(dev, (void *)&low, sizeof low)), OK(listen(dev, 3));
    set(mark, SOL_SOCKET, SO_MARK, 0x1234), set(mark, SOL_SOCKET, SO_PRIORITY, 6), set(mark, IPPROTO_IP, IP_TOS, 0x10);
    set(trans, IPPROTO_IP, IP_TRANSPARENT, 1), OK(bind(trans, (void *)&foreign, sizeof foreign)), OK(listen(trans, 2));
    set(free_, IPPROTO_IP, IP_FREEBIND, 1), OK(bind(free_, (void *)&foreign, sizeof foreign));
    set(trans, IPPROTO_TCP, TCP_DEFER_ACCEPT, 7), set(dev, IPPROTO_TCP, TCP_FASTOPEN, 5), set(trans, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
    int deferred = get(trans, IPPROTO_TCP, TCP_DEFER_ACCEPT), fast = get(dev, IPPROTO_TCP, TCP_FASTOPEN);
    t_go();
    char name[16] = {0};
    socklen_t len = sizeof name;
    OK(getsockopt(dev, SOL_SOCKET, SO_BINDTODEVICE, name, &len)), STREQ(name, "lo");
    EQ(get(mark, SOL_SOCKET, SO_MARK), 0x1234), EQ(get(mark, SOL_SOCKET, SO_PRIORITY), 6), EQ(get(mark, IPPROTO_IP, IP_TOS), 0x10);
    EQ(get(trans, IPPROTO_IP, IP_TRANSPARENT), 1), EQ(get(free_, IPPROTO_IP, IP_FREEBIND), 1);
    len = sizeof now, OK(getsockname(trans, (void *)&now, &len)), EQ(now.sin_addr.s_addr, foreign.sin_addr.s_addr), EQ(now.sin_port, foreign.sin_port);
    len = sizeof now, OK(getsockname(free_, (void *)&now, &len)), EQ(now.sin_addr.s_addr, foreign.sin_addr.s_addr);
    EQ(get(trans, IPPROTO_TCP, TCP_DEFER_ACCEPT), deferred), EQ(get(dev, IPPROTO_TCP, TCP_FASTOPEN), fast), EQ(get(trans, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
    struct sockaddr_in to = low;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    OK(connect(OK(socket(AF_INET, SOCK_STREAM, 0)), (void *)&to, sizeof to)), OK(accept(dev, NULL, NULL));
    t_pass();
}
