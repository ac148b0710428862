// needs: any; names: any; row: "Unix sockets: options, peek offset"
// Buffer sizes, timeouts, linger, peek offset and flags of unix sockets.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    struct timeval r = {7, 500000}, w = {9, 500000}, now;
    struct linger l = {1, 33}, lnow;
    t_set(s[0], SOL_SOCKET, SO_SNDBUF, 70000), t_set(s[0], SOL_SOCKET, SO_RCVBUF, 60000), t_set(s[0], SOL_SOCKET, SO_PASSCRED, 1);
    t_set(s[0], SOL_SOCKET, SO_PRIORITY, 4), t_set(s[0], SOL_SOCKET, SO_RCVLOWAT, 3);
    OK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &r, sizeof r)), OK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &w, sizeof w));
    OK(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof l));
    t_say(s[1], "0123456789");
    t_set(s[0], SOL_SOCKET, SO_PEEK_OFF, 4);
    int snd = t_opt(s[0], SOL_SOCKET, SO_SNDBUF), rcv = t_opt(s[0], SOL_SOCKET, SO_RCVBUF);
    t_go();
    EQ(t_opt(s[0], SOL_SOCKET, SO_SNDBUF), snd), EQ(t_opt(s[0], SOL_SOCKET, SO_RCVBUF), rcv);
    EQ(t_opt(s[0], SOL_SOCKET, SO_PASSCRED), 1), EQ(t_opt(s[0], SOL_SOCKET, SO_PRIORITY), 4), EQ(t_opt(s[0], SOL_SOCKET, SO_RCVLOWAT), 3);
    EQ(t_opt(s[1], SOL_SOCKET, SO_PASSCRED), 0);
    socklen_t len = sizeof now;
    OK(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &now, &len));
    MEMEQ(&now, &r, sizeof r);
    OK(getsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &now, &len));
    MEMEQ(&now, &w, sizeof w);
    len = sizeof lnow;
    OK(getsockopt(s[0], SOL_SOCKET, SO_LINGER, &lnow, &len));
    MEMEQ(&lnow, &l, sizeof l);
    EQ(t_opt(s[0], SOL_SOCKET, SO_PEEK_OFF), 4);
    char b[4] = {0};
    EQ(OK(recv(s[0], b, 3, MSG_PEEK)), 3);
    MEMEQ(b, "456", 3);
    t_stream(s[0], "0123456789");
    t_pass();
}
