// needs: any; names: any; row: "Internet: connecting"
// A connect in progress towards an address that never answers: still connecting, or failed with an error a network can give.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int l = t_in_bound(AF_INET, SOCK_STREAM, 0, &a, &len), fill[4];
    for (int i = 0; i < 4; i++) { // a full backlog does not answer
        fill[i] = OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        connect(fill[i], (void *)&a, len);
    }
    t_ms(20);
    struct tcp_info info;
    socklen_t ilen = sizeof info;
    OK(getsockopt(fill[3], IPPROTO_TCP, TCP_INFO, &info, &ilen));
    EQ(info.tcpi_state, TCP_SYN_SENT);
    t_go();
    OK(fcntl(l, F_SETFL, O_NONBLOCK));
    struct pollfd p = {.fd = fill[3], .events = POLLOUT};
    for (int i = 0; i < 2000 && !poll(&p, 1, 10); i++) accept(l, NULL, NULL);
    EQ(poll(&p, 1, 0), 1);
    int e = t_opt(fill[3], SOL_SOCKET, SO_ERROR);
    if (e && e != ETIMEDOUT && e != ECONNRESET) FAIL("connect ended with %s", strerror(e));
    t_pass();
}
