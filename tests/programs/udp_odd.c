// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Datagrams: empty ones, queued before the socket was connected, peeked, to itself; sockets connected and disconnected; lite.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
static int bound(struct sockaddr_in *a) {
    int s = OK(socket(AF_INET, SOCK_DGRAM, 0));
    *a = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(bind(s, (void *)a, sizeof *a));
    socklen_t len = sizeof *a;
    OK(getsockname(s, (void *)a, &len));
    return s;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in a, b, c, from;
    int sa = bound(&a), sb = bound(&b), sc = bound(&c), self;
    EQ(sendto(sb, "", 0, 0, (void *)&a, sizeof a), 0), EQ(sendto(sc, "from c", 6, 0, (void *)&a, sizeof a), 6);
    EQ(sendto(sb, "from b", 6, 0, (void *)&a, sizeof a), 6);
    OK(connect(sa, (void *)&b, sizeof b)); // what c sent stays
    self = sc;
    OK(connect(self, (void *)&c, sizeof c)), EQ(send(self, "me", 2, 0), 2);
    int un = OK(socket(AF_INET, SOCK_DGRAM, 0));
    OK(connect(un, (void *)&b, sizeof b));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    OK(connect(un, &none, sizeof none));
    int lite = OK(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)), lite2 = OK(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE));
    struct sockaddr_in la = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(bind(lite, (void *)&la, sizeof la));
    socklen_t len = sizeof la;
    OK(getsockname(lite, (void *)&la, &len));
    EQ(sendto(lite2, "lite", 4, 0, (void *)&la, len), 4);
    t_go();
    char x[16];
    len = sizeof from, EQ(OK(recvfrom(sa, x, 16, MSG_PEEK, (void *)&from, &len)), 0), EQ(from.sin_port, b.sin_port);
    EQ(OK(recv(sa, x, 16, 0)), 0);
    len = sizeof from, EQ(OK(recvfrom(sa, x, 16, 0, (void *)&from, &len)), 6), EQ(from.sin_port, c.sin_port), MEMEQ(x, "from c", 6);
    len = sizeof from, EQ(OK(recvfrom(sa, x, 16, 0, (void *)&from, &len)), 6), EQ(from.sin_port, b.sin_port);
    FAILS(recv(sa, x, 16, MSG_DONTWAIT), EAGAIN);
    EQ(OK(recv(self, x, 16, 0)), 2);
    EQ(send(sa, "to b", 4, 0), 4), EQ(OK(recv(sb, x, 16, 0)), 4);
    FAILS(getpeername(un, (void *)&from, &len), ENOTCONN);
    FAILS(send(un, "x", 1, 0), EDESTADDRREQ);
    EQ(OK(recv(lite, x, 16, 0)), 4);
    t_pass();
}
