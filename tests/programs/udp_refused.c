// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Connected sockets whose last datagram was refused: the error still waits, in front of what is queued.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int families[] = {AF_INET, AF_INET6}, s[2][3], peer[2];
    struct sockaddr_in6 to[2], own[2][3];
    socklen_t len[2];
    for (int f = 0; f < 2; f++) {
        peer[f] = t_in_bound(families[f], SOCK_DGRAM, -1, &to[f], &len[f]);
        for (int i = 0; i < 3; i++) {
            s[f][i] = OK(socket(families[f], SOCK_DGRAM, 0));
            OK(connect(s[f][i], (void *)&to[f], len[f]));
            socklen_t l = sizeof own[f][i];
            OK(getsockname(s[f][i], (void *)&own[f][i], &l));
        }
        OK(sendto(peer[f], "before", 6, 0, (void *)&own[f][1], len[f]));
        close(peer[f]);
        for (int i = 0; i < 2; i++) OK(send(s[f][i], "x", 1, 0));
    }
    t_go();
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < 3; i++) {
            struct sockaddr_in6 now;
            socklen_t l = sizeof now;
            OK(getsockname(s[f][i], (void *)&now, &l));
            MEMEQ(&now, &own[f][i], l);
            l = sizeof now;
            OK(getpeername(s[f][i], (void *)&now, &l));
            MEMEQ(&now, &to[f], l);
            struct pollfd p = {.fd = s[f][i], .events = POLLIN};
            EQ(poll(&p, 1, 0), i < 2);
            EQ(p.revents, i == 0 ? POLLERR : i == 1 ? POLLIN | POLLERR : 0);
        }
        EQ(t_opt(s[f][0], SOL_SOCKET, SO_ERROR), ECONNREFUSED), EQ(t_opt(s[f][0], SOL_SOCKET, SO_ERROR), 0);
        char c[8];
        FAILS(recv(s[f][1], c, 8, MSG_DONTWAIT), ECONNREFUSED);
        t_message(s[f][1], "before");
        FAILS(recv(s[f][1], c, 8, MSG_DONTWAIT), EAGAIN);
        EQ(t_opt(s[f][2], SOL_SOCKET, SO_ERROR), 0);
        // and again
        OK(send(s[f][2], "x", 1, 0));
        FAILS(send(s[f][2], "x", 1, 0), ECONNREFUSED);
        int again = OK(socket(families[f], SOCK_DGRAM, 0));
        OK(bind(again, (void *)&to[f], len[f]));
        OK(send(s[f][0], "through", 7, 0));
        t_message(again, "through");
    }
    t_pass();
}
