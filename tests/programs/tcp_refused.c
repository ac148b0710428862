// needs: any; names: any; row: "Internet: connecting"
// Connections that were refused: with the error still to be told by SO_ERROR, by recv(2) or by connect(2), or told already.
#include "socket.h"
enum { UNREAD, RECEIVED, CALLED, TOLD, KINDS };
int main(int argc, char **argv) {
    t_start(argc, argv);
    int families[] = {AF_INET, AF_INET6}, s[2][KINDS], door[2];
    struct sockaddr_in6 nowhere[2], there[2];
    socklen_t len[2];
    for (int f = 0; f < 2; f++) {
        t_in_bound(families[f], SOCK_STREAM, -1, &nowhere[f], &len[f]);
        door[f] = t_in_bound(families[f], SOCK_STREAM, 5, &there[f], &len[f]);
        for (int i = 0; i < KINDS; i++) {
            s[f][i] = OK(socket(families[f], SOCK_STREAM | SOCK_NONBLOCK, 0));
            FAILS(connect(s[f][i], (void *)&nowhere[f], len[f]), EINPROGRESS);
            struct pollfd p = {.fd = s[f][i], .events = POLLOUT};
            EQ(poll(&p, 1, 1000), 1);
            CHECK(p.revents & POLLERR);
        }
        EQ(t_opt(s[f][TOLD], SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    }
    t_go();
    for (int f = 0; f < 2; f++) {
        for (int i = 0; i < KINDS; i++) {
            struct pollfd p = {.fd = s[f][i], .events = POLLIN | POLLOUT | POLLRDHUP};
            EQ(poll(&p, 1, 0), 1);
            EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP | (i == TOLD ? 0 : POLLERR));
            char c;
            struct sockaddr_in6 a;
            socklen_t l = sizeof a;
            FAILS(getpeername(s[f][i], (void *)&a, &l), ENOTCONN);
            CHECK(fcntl(s[f][i], F_GETFL) & O_NONBLOCK);
            if (i == UNREAD) EQ(t_opt(s[f][i], SOL_SOCKET, SO_ERROR), ECONNREFUSED), EQ(t_opt(s[f][i], SOL_SOCKET, SO_ERROR), 0);
            if (i == RECEIVED) FAILS(recv(s[f][i], &c, 1, 0), ECONNREFUSED), EQ(recv(s[f][i], &c, 1, 0), 0);
            // the same socket may try again
            FAILS(connect(s[f][i], (void *)&there[f], len[f]), i == CALLED ? ECONNREFUSED : ECONNABORTED);
            FAILS(connect(s[f][i], (void *)&there[f], len[f]), EINPROGRESS);
            p.events = POLLOUT;
            EQ(poll(&p, 1, 1000), 1);
            EQ(t_opt(s[f][i], SOL_SOCKET, SO_ERROR), 0);
            t_say(s[f][i], "at last");
            t_stream(OK(accept(door[f], NULL, NULL)), "at last");
        }
    }
    t_pass();
}
