// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// A connection closed by one side while the other still has data to read (LAST_ACK, FIN_WAIT1, closed with unread data).
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a[2], b[2], c[2];
    t_tcp_pair(AF_INET, a), t_tcp_pair(AF_INET, b), t_tcp_pair(AF_INET6, c);
    t_say(a[0], "sent and closed"), close(a[0]);
    t_say(b[0], "both"), t_say(b[1], "sides"), OK(shutdown(b[0], SHUT_WR)), OK(shutdown(b[1], SHUT_WR));
    OK(shutdown(c[0], SHUT_RDWR));
    t_ms(20);
    t_go();
    char x;
    t_stream(a[1], "sent and closed");
    EQ(recv(a[1], &x, 1, 0), 0);
    t_stream(b[1], "both"), t_stream(b[0], "sides");
    EQ(recv(b[1], &x, 1, 0), 0), EQ(recv(b[0], &x, 1, 0), 0);
    EQ(recv(c[1], &x, 1, 0), 0), EQ(recv(c[0], &x, 1, 0), 0);
    signal(SIGPIPE, SIG_IGN);
    FAILS(send(c[0], "x", 1, 0), EPIPE);
    t_pass();
}
