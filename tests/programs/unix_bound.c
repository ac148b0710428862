// needs: any; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// Datagram sockets bound to a path, an abstract name, an autobound one: names, queued messages with senders' addresses.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p = t_un_bound("path", SOCK_DGRAM, -1), a = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), autob = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    struct sockaddr_un ua = {.sun_family = AF_UNIX}, got, self;
    socklen_t alen = offsetof(struct sockaddr_un, sun_path) + 1 + sprintf(ua.sun_path + 1, "autopod-test-%lx-%d", (long)(t_now(CLOCK_REALTIME) * 1e6), getpid()), len;
    OK(bind(a, (void *)&ua, alen));
    OK(bind(autob, (void *)&ua, sizeof(sa_family_t)));
    len = sizeof self;
    OK(getsockname(autob, (void *)&self, &len));
    socklen_t self_len = len;
    struct sockaddr_un up = t_un("path");
    OK(sendto(a, "from a", 6, 0, (void *)&up, sizeof up)), OK(sendto(autob, "from auto", 9, 0, (void *)&up, sizeof up));
    OK(connect(autob, (void *)&ua, alen));
    OK(send(autob, "to a", 4, 0));
    t_go();
    char b[64];
    len = sizeof got;
    EQ(OK(recvfrom(p, b, 64, MSG_DONTWAIT, (void *)&got, &len)), 6);
    EQ(len, alen);
    MEMEQ(&got, &ua, alen);
    len = sizeof got;
    EQ(OK(recvfrom(p, b, 64, MSG_DONTWAIT, (void *)&got, &len)), 9);
    EQ(len, self_len);
    MEMEQ(&got, &self, self_len);
    t_message(a, "to a");
    len = sizeof got;
    OK(getsockname(p, (void *)&got, &len));
    STREQ(got.sun_path, "path");
    len = sizeof got;
    OK(getsockname(a, (void *)&got, &len));
    EQ(len, alen);
    MEMEQ(&got, &ua, alen);
    len = sizeof got;
    OK(getpeername(autob, (void *)&got, &len));
    MEMEQ(&got, &ua, alen);
    int c = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(sendto(c, "path", 4, 0, (void *)&up, sizeof up)), OK(sendto(c, "abstract", 8, 0, (void *)&ua, alen));
    t_message(p, "path"), t_message(a, "abstract");
    FAILS(bind(c, (void *)&ua, alen), EADDRINUSE);
    t_pass();
}
