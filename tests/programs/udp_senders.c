// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Queued datagrams of odd sizes and odd senders: empty, the largest, of sockets that shut down, were closed, share a port, or sit in a message.
#include "socket.h"
enum { LARGEST = 65507 };
static struct sockaddr_in name(int fd) {
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    OK(getsockname(fd, (void *)&a, &len));
    return a;
}
static struct sockaddr_in from[8];
static void next(int line, int fd, const void *want, size_t len, int sender) {
    static char b[LARGEST + 1];
    struct sockaddr_in a;
    socklen_t l = sizeof a;
    ssize_t n = recvfrom(fd, b, sizeof b, MSG_DONTWAIT, (void *)&a, &l);
    if (n != (ssize_t)len || memcmp(b, want, len)) t_fail(line, "datagram of %zd bytes instead of %zu (%s)", n, len, strerror(errno));
    if (a.sin_port != from[sender].sin_port || a.sin_addr.s_addr != from[sender].sin_addr.s_addr) t_fail(line, "from %s:%d instead of port %d", inet_ntoa(a.sin_addr), ntohs(a.sin_port), ntohs(from[sender].sin_port));
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int r = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len), s[8], pair[2];
    t_set(r, SOL_SOCKET, SO_RCVBUF, 200000);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000105)};
    for (int i = 0; i < 7; i++) {
        s[i] = OK(socket(AF_INET, SOCK_DGRAM, 0));
        if (i == 3 || i == 4) { // of two that share a port, one sends
            t_set(s[i], SOL_SOCKET, SO_REUSEPORT, 1);
            if (i == 4) local.sin_port = name(s[3]).sin_port;
            OK(bind(s[i], (void *)&local, sizeof local));
        }
        if (i == 5) local.sin_port = 0, OK(bind(s[i], (void *)&local, sizeof local)); // another address of this host
        OK(connect(s[i], (void *)&a, len));
        from[i] = name(s[i]);
    }
    static char large[LARGEST];
    t_fill(large, LARGEST, 3);
    EQ(OK(send(s[0], large, LARGEST, 0)), LARGEST);
    EQ(OK(send(s[0], "", 0, 0)), 0);
    t_say(s[1], "last words"), OK(shutdown(s[1], SHUT_RDWR));
    t_say(s[2], "gone"), close(s[2]);
    t_say(s[3], "three"), t_say(s[4], "four"), t_say(s[5], "five"), t_say(s[6], "six");
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    t_send_fds(pair[0], "f", 1, &s[6], 1), close(s[6]);
    EQ(OK(send(s[0], "", 0, 0)), 0);
    t_go();
    next(__LINE__, r, large, LARGEST, 0), next(__LINE__, r, "", 0, 0), next(__LINE__, r, "last words", 10, 1), next(__LINE__, r, "gone", 4, 2);
    next(__LINE__, r, "three", 5, 3), next(__LINE__, r, "four", 4, 4), next(__LINE__, r, "five", 4, 5), next(__LINE__, r, "six", 3, 6);
    next(__LINE__, r, "", 0, 0);
    char c;
    FAILS(recv(r, &c, 1, MSG_DONTWAIT), EAGAIN);
    FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    ssize_t got;
    EQ(t_recv_fds(pair[1], &c, 1, &got, &s[6], 1, NULL), 1);
    t_say(s[6], "again"), next(__LINE__, r, "again", 5, 6);
    t_pass();
}
