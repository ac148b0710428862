// needs: any; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// Names that the kernel gave (autobind), abstract ones with zero bytes in them, a datagram socket connected to itself.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), b = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), self = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), l = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    struct stat place; // tells this run from others
    OK(stat(".", &place));
    struct sockaddr_un given = {0}, zero = {AF_UNIX, ""}, now, from;
    sa_family_t family = AF_UNIX;
    OK(bind(a, (void *)&family, sizeof family));
    socklen_t glen = sizeof given, len, zlen = offsetof(struct sockaddr_un, sun_path) + 12;
    OK(getsockname(a, (void *)&given, &glen));
    memcpy(zero.sun_path, "\0a\0b\0\0zzz", 9), snprintf(zero.sun_path + 5, 7, "%lu", place.st_ino % 999983);
    OK(bind(b, (void *)&zero, zlen));
    OK(bind(self, (void *)&family, sizeof family));
    len = sizeof now, OK(getsockname(self, (void *)&now, &len)), OK(connect(self, (void *)&now, len));
    EQ(OK(send(self, "to me", 5, 0)), 5);
    EQ(OK(sendto(b, "hello", 5, 0, (void *)&given, glen)), 5);
    OK(bind(l, (void *)&family, sizeof family)), OK(listen(l, 3));
    t_go();
    len = sizeof now, OK(getsockname(a, (void *)&now, &len)), EQ(len, glen), MEMEQ(&now, &given, glen);
    char x[8];
    len = sizeof from, EQ(OK(recvfrom(a, x, 8, 0, (void *)&from, &len)), 5);
    EQ(len, zlen), MEMEQ(&from, &zero, zlen);
    EQ(OK(recv(self, x, 8, 0)), 5), MEMEQ(x, "to me", 5);
    EQ(OK(send(self, "again", 5, 0)), 5), EQ(OK(recv(self, x, 8, 0)), 5);
    FAILS(bind(OK(socket(AF_UNIX, SOCK_DGRAM, 0)), (void *)&zero, zlen), EADDRINUSE);
    len = sizeof now, OK(getsockname(l, (void *)&now, &len));
    int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(connect(c, (void *)&now, len)), OK(accept(l, NULL, NULL));
    t_pass();
}
