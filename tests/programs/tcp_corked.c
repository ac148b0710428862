// needs: any; names: any; row: "Internet: all options"
// A corked connection with a part of a segment written, one without delay, one with data sent with MSG_MORE, one that lingers.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
static void couple(int *c, int *s) {
    int l = OK(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(bind(l, (void *)&a, sizeof a)), OK(listen(l, 1));
    socklen_t len = sizeof a;
    OK(getsockname(l, (void *)&a, &len));
    *c = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(*c, (void *)&a, sizeof a));
    *s = OK(accept(l, NULL, NULL));
    close(l);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int c[3], s[3], one = 1, zero = 0, v;
    for (int i = 0; i < 3; i++) couple(&c[i], &s[i]);
    OK(setsockopt(c[0], IPPROTO_TCP, TCP_CORK, &one, sizeof one)), t_write(c[0], "corked", 6);
    OK(setsockopt(c[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)), EQ(OK(send(c[1], "more", 4, MSG_MORE)), 4);
    struct linger l = {1, 3}, now;
    OK(setsockopt(c[2], SOL_SOCKET, SO_LINGER, &l, sizeof l)), t_write(c[2], "linger", 6);
    t_go();
    char b[16];
    socklen_t len = sizeof v;
    OK(getsockopt(c[0], IPPROTO_TCP, TCP_CORK, &v, &len)), EQ(v, 1);
    len = sizeof v, OK(getsockopt(c[1], IPPROTO_TCP, TCP_NODELAY, &v, &len)), EQ(v, 1);
    len = sizeof now, OK(getsockopt(c[2], SOL_SOCKET, SO_LINGER, &now, &len)), EQ(now.l_onoff, 1), EQ(now.l_linger, 3);
    t_write(c[0], " text", 5), OK(setsockopt(c[0], IPPROTO_TCP, TCP_CORK, &zero, sizeof zero));
    t_read(s[0], b, 11), MEMEQ(b, "corked text", 11);
    t_write(c[1], " data", 5), t_read(s[1], b, 9), MEMEQ(b, "more data", 9);
    close(c[2]), t_read(s[2], b, 6), EQ(OK(read(s[2], b, 1)), 0);
    t_pass();
}
