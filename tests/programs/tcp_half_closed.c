// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// Connections half closed on either side, with data before the end: FIN_WAIT2 and CLOSE_WAIT.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a[2], b[2];
    t_tcp_pair(AF_INET, a), t_tcp_pair(AF_INET, b);
    signal(SIGPIPE, SIG_IGN);
    t_say(a[0], "last"), OK(shutdown(a[0], SHUT_WR));
    t_say(b[1], "final"), OK(shutdown(b[1], SHUT_WR));
    t_say(a[1], "queued");
    t_ms(50);
    struct tcp_info i;
    socklen_t len = sizeof i;
    OK(getsockopt(a[0], IPPROTO_TCP, TCP_INFO, &i, &len));
    EQ(i.tcpi_state, TCP_FIN_WAIT2);
    t_go();
    len = sizeof i, OK(getsockopt(a[0], IPPROTO_TCP, TCP_INFO, &i, &len)), EQ(i.tcpi_state, TCP_FIN_WAIT2);
    len = sizeof i, OK(getsockopt(a[1], IPPROTO_TCP, TCP_INFO, &i, &len)), EQ(i.tcpi_state, TCP_CLOSE_WAIT);
    char c;
    t_stream(a[1], "last");
    EQ(recv(a[1], &c, 1, 0), 0);
    FAILS(send(a[0], "x", 1, 0), EPIPE);
    t_say(a[1], " more"), t_stream(a[0], "queued more");
    close(a[1]);
    EQ(recv(a[0], &c, 1, 0), 0);
    t_stream(b[0], "final");
    EQ(recv(b[0], &c, 1, 0), 0);
    t_say(b[0], "reply"), t_stream(b[1], "reply");
    t_pass();
}
