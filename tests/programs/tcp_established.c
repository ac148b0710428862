// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// A TCP connection over loopback with unread data both ways, IPv4 and IPv6, in two processes.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2][2];
    t_tcp_pair(AF_INET, s[0]), t_tcp_pair(AF_INET6, s[1]);
    struct sockaddr_in6 name[2], peer[2], now;
    socklen_t len;
    for (int i = 0; i < 2; i++) {
        len = sizeof now, OK(getsockname(s[i][0], (void *)&name[i], &len));
        len = sizeof now, OK(getpeername(s[i][0], (void *)&peer[i], &len));
        t_say(s[i][0], "to the server "), t_say(s[i][1], "to the client ");
    }
    pid_t pid = t_fork();
    if (!pid) {
        close(s[0][0]), close(s[1][0]);
        t_mark("child");
        t_wait();
        for (int i = 0; i < 2; i++) {
            t_stream(s[i][1], "to the server after");
            t_say(s[i][1], "end");
            close(s[i][1]);
        }
        _exit(0);
    }
    close(s[0][1]), close(s[1][1]);
    t_await("child");
    t_go();
    for (int i = 0; i < 2; i++) {
        len = sizeof now, OK(getsockname(s[i][0], (void *)&now, &len));
        MEMEQ(&now, &name[i], len);
        len = sizeof now, OK(getpeername(s[i][0], (void *)&now, &len));
        MEMEQ(&now, &peer[i], len);
        t_say(s[i][0], "after");
        t_stream(s[i][0], "to the client end");
        char c;
        EQ(recv(s[i][0], &c, 1, 0), 0);
    }
    t_reap(pid);
    t_pass();
}
