// needs: any; names: any; row: "Unix sockets: queued data and boundaries"
// Datagram and packet pairs: boundaries of queued messages, empty ones among them, large ones, truncation.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int d[2], q[2];
    OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d)), OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, q));
    static char big[50000];
    t_fill(big, sizeof big, 1);
    for (int k = 0; k < 2; k++) {
        int *p = k ? q : d;
        OK(send(p[0], "one", 3, 0)), OK(send(p[0], "", 0, 0)), OK(send(p[0], "three", 5, 0)), OK(send(p[0], big, sizeof big, 0));
        OK(send(p[1], "back", 4, 0));
    }
    t_go();
    for (int k = 0; k < 2; k++) {
        int *p = k ? q : d;
        t_message(p[1], "one");
        char b[60000];
        EQ(recv(p[1], b, 2, MSG_DONTWAIT), 0);
        EQ(recv(p[1], b, 2, MSG_DONTWAIT | MSG_TRUNC), 5);
        MEMEQ(b, "th", 2);
        EQ(OK(recv(p[1], b, sizeof b, MSG_DONTWAIT)), sizeof big);
        t_same(b, sizeof big, 1);
        FAILS(recv(p[1], b, 2, MSG_DONTWAIT), EAGAIN);
        t_message(p[0], "back");
        OK(send(p[1], "more", 4, 0));
        t_message(p[0], "more");
    }
    close(q[0]);
    char c;
    EQ(recv(q[1], &c, 1, 0), 0);
    t_pass();
}
