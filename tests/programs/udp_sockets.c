// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// UDP sockets bound, connected, with datagrams queued: boundaries and senders; v4 and v6.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int round = 0; round < 2; round++) {
        int family = round ? AF_INET6 : AF_INET;
        struct sockaddr_in6 a, b, now;
        socklen_t alen, blen, len;
        int r = t_in_bound(family, SOCK_DGRAM, -1, &a, &alen), s = t_in_bound(family, SOCK_DGRAM, -1, &b, &blen);
        int c = OK(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        OK(connect(c, (void *)&a, alen));
        struct sockaddr_in6 cname;
        socklen_t clen = sizeof cname;
        OK(getsockname(c, (void *)&cname, &clen));
        OK(sendto(s, "one", 3, 0, (void *)&a, alen)), OK(sendto(s, "", 0, 0, (void *)&a, alen)), OK(send(c, "three", 5, 0));
        if (!round) t_go();
        else t_wait();
        char x[64];
        len = sizeof now;
        EQ(OK(recvfrom(r, x, 64, MSG_DONTWAIT, (void *)&now, &len)), 3);
        EQ(now.sin6_port, b.sin6_port);
        EQ(OK(recv(r, x, 64, MSG_DONTWAIT)), 0);
        len = sizeof now;
        EQ(OK(recvfrom(r, x, 64, MSG_DONTWAIT, (void *)&now, &len)), 5);
        EQ(now.sin6_port, cname.sin6_port);
        len = sizeof now, OK(getpeername(c, (void *)&now, &len)), MEMEQ(&now, &a, alen);
        OK(sendto(r, "back", 4, 0, (void *)&cname, clen)), t_message(c, "back");
        OK(sendto(s, "stranger", 8, 0, (void *)&cname, clen));
        FAILS(recv(c, x, 64, MSG_DONTWAIT), EAGAIN);
        FAILS(bind(OK(socket(family, SOCK_DGRAM, 0)), (void *)&a, alen), EADDRINUSE);
    }
    t_pass();
}
