// needs: any; names: any; row: "Internet: listening (backlog, reuse)"
// Connections made and never accepted, with data in them, one closed by its client.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int l = t_in_bound(AF_INET, SOCK_STREAM, 8, &a, &len), c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = OK(socket(AF_INET, SOCK_STREAM, 0));
        OK(connect(c[i], (void *)&a, len));
        t_say(c[i], t_text("hello %d", i));
    }
    close(c[2]);
    t_ms(20);
    t_go();
    OK(fcntl(l, F_SETFL, O_NONBLOCK));
    for (int i = 0; i < 3; i++) {
        int s = OK(accept(l, NULL, NULL));
        t_stream(s, t_text("hello %d", i));
        if (i < 2) t_say(s, "answer"), t_stream(c[i], "answer");
        else {
            char x;
            EQ(recv(s, &x, 1, 0), 0);
        }
    }
    FAILS(accept(l, NULL, NULL), EAGAIN);
    t_pass();
}
