// needs: any; names: any; row: "Internet: IPv4, IPv6, v6only, dual"
// IPv6: listening for it only, and for both; connections of both kinds, with data, flow information and scope; several unaccepted.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
static int listener(int only, struct sockaddr_in6 *a) {
    int s = OK(socket(AF_INET6, SOCK_STREAM, 0));
    OK(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only));
    *a = (struct sockaddr_in6){.sin6_family = AF_INET6};
    OK(bind(s, (void *)a, sizeof *a)), OK(listen(s, 5));
    socklen_t len = sizeof *a;
    OK(getsockname(s, (void *)a, &len));
    return s;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a6, dual, peer;
    int only = listener(1, &a6), both = listener(0, &dual);
    a6.sin6_addr = in6addr_loopback, dual.sin6_addr = in6addr_loopback;
    int c6 = OK(socket(AF_INET6, SOCK_STREAM, 0)), cd = OK(socket(AF_INET6, SOCK_STREAM, 0)), c4 = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(c6, (void *)&a6, sizeof a6)), OK(connect(cd, (void *)&dual, sizeof dual));
    struct sockaddr_in a4 = {AF_INET, dual.sin6_port, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(connect(c4, (void *)&a4, sizeof a4));
    int s6 = OK(accept(only, NULL, NULL)), sd = OK(accept(both, NULL, NULL)); // c4 stays unaccepted
    t_write(c6, "six", 3), t_write(sd, "dual", 4), t_write(c4, "four", 4);
    t_go();
    char b[8];
    t_read(s6, b, 3), MEMEQ(b, "six", 3), t_read(cd, b, 4), MEMEQ(b, "dual", 4);
    socklen_t len = sizeof peer;
    int s4 = OK(accept(both, (void *)&peer, &len));
    CHECK(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr));
    t_read(s4, b, 4), MEMEQ(b, "four", 4);
    t_write(s4, "back", 4), t_read(c4, b, 4);
    int v;
    len = sizeof v, OK(getsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &v, &len)), EQ(v, 1);
    len = sizeof v, OK(getsockopt(both, IPPROTO_IPV6, IPV6_V6ONLY, &v, &len)), EQ(v, 0);
    a4.sin_port = a6.sin6_port;
    FAILS(connect(OK(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a4, sizeof a4), ECONNREFUSED);
    t_pass();
}
