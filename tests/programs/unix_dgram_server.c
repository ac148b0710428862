// needs: any; names: any; row: "Unix sockets: connected"
// Several datagram clients connected to one server, a queue that is full, a connection dissolved.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int server = t_un_bound("server", SOCK_DGRAM, -1), c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = OK(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
        struct sockaddr_un me = t_un(t_text("client%d", i)), to = t_un("server");
        OK(bind(c[i], (void *)&me, sizeof me)), OK(connect(c[i], (void *)&to, sizeof to));
    }
    OK(connect(c[2], &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
    int sent = 0;
    while (send(c[sent % 2], t_text("message %d", sent), strlen(t_text("message %d", sent)), 0) > 0) sent++;
    EQ(errno, EAGAIN);
    t_go();
    FAILS(send(c[0], "x", 1, 0), EAGAIN);
    FAILS(send(c[2], "x", 1, 0), ENOTCONN);
    for (int i = 0; i < sent; i++) {
        struct sockaddr_un from;
        socklen_t len = sizeof from;
        char b[64] = {0};
        OK(recvfrom(server, b, 63, MSG_DONTWAIT, (void *)&from, &len));
        STREQ(b, t_text("message %d", i));
        STREQ(from.sun_path, t_text("client%d", i % 2));
    }
    t_say(c[1], "more"), t_message(server, "more");
    t_pass();
}
