// needs: any; names: any; row: "Unix sockets: stream, datagram, seqpacket"
// A datagram client connected to a server that was closed, while another has its name by now; one that talks to it by name.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_un name = {AF_UNIX, "server"}, own = {AF_UNIX, "client"}, from = {0};
    int old = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), c = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), other = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(bind(old, (void *)&name, sizeof name)), OK(bind(other, (void *)&own, sizeof own)), OK(connect(c, (void *)&name, sizeof name));
    EQ(send(c, "lost", 4, 0), 4);
    close(old), OK(unlink("server"));
    int new = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(bind(new, (void *)&name, sizeof name));
    EQ(OK(sendto(other, "found", 5, 0, (void *)&name, sizeof name)), 5);
    t_go();
    FAILS(send(c, "x", 1, MSG_DONTWAIT), ECONNREFUSED);
    char b[8];
    socklen_t len = sizeof from;
    EQ(OK(recvfrom(new, b, 8, 0, (void *)&from, &len)), 5), STREQ(from.sun_path, "client");
    FAILS(recv(new, b, 8, MSG_DONTWAIT), EAGAIN);
    OK(connect(c, (void *)&name, sizeof name)), EQ(send(c, "again", 5, 0), 5), EQ(OK(recv(new, b, 8, 0)), 5);
    EQ(OK(sendto(new, "back", 4, 0, (void *)&own, sizeof own)), 4), EQ(OK(recv(other, b, 8, 0)), 4);
    t_pass();
}
