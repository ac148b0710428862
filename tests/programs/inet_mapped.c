// needs: any; names: any; row: "Internet: UDP, connected, multicast, cork"
// Sockets of IPv6 that serve IPv4, with clients of both kinds: datagrams in the queue, connections with data, one that waits.
#include "socket.h"
static int server(int type, struct sockaddr_in *four) {
    int fd = OK(socket(AF_INET6, type, 0));
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    OK(bind(fd, (void *)&any, sizeof any));
    socklen_t len = sizeof any;
    OK(getsockname(fd, (void *)&any, &len));
    *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = any.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd;
}
static struct sockaddr_in6 mapped(const struct sockaddr_in *four) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = four->sin_port};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
    return six;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in udp, tcp;
    int u = server(SOCK_DGRAM, &udp), l = server(SOCK_STREAM, &tcp), client[2], stream[2], accepted[2];
    OK(listen(l, 5));
    struct sockaddr_in6 udp6 = mapped(&udp), tcp6 = mapped(&tcp), from[2];
    for (int i = 0; i < 2; i++) {
        client[i] = OK(socket(i ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)), stream[i] = OK(socket(i ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
        if (i) OK(connect(client[i], (void *)&udp6, sizeof udp6)), OK(connect(stream[i], (void *)&tcp6, sizeof tcp6));
        else OK(connect(client[i], (void *)&udp, sizeof udp)), OK(connect(stream[i], (void *)&tcp, sizeof tcp));
        accepted[i] = OK(accept(l, NULL, NULL));
        t_say(stream[i], "to the server"), t_say(accepted[i], "to the client");
    }
    int waits = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(waits, (void *)&tcp, sizeof tcp));
    t_say(waits, "waiting");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++) t_say(client[i], i ? "six" : "four");
    for (int i = 0; i < 2; i++) {
        char b[8];
        socklen_t len = sizeof from[i];
        EQ(OK(recvfrom(u, b, 8, 0, (void *)&from[i], &len)), i ? 3 : 4);
    }
    t_go();
    for (int i = 0; i < 2; i++) {
        char b[8];
        struct sockaddr_in6 now;
        socklen_t len = sizeof now;
        EQ(OK(recvfrom(u, b, 8, MSG_DONTWAIT, (void *)&now, &len)), i ? 3 : 4);
        MEMEQ(b, i ? "six" : "four", i ? 3 : 4);
        MEMEQ(&now, &from[i], sizeof now);
        OK(sendto(u, "answer", 6, 0, (void *)&now, len));
        t_message(client[i], "answer");
        t_stream(accepted[i], "to the server"), t_stream(stream[i], "to the client");
        t_say(stream[i], "more"), t_stream(accepted[i], "more");
    }
    int last = OK(accept(l, NULL, NULL));
    t_stream(last, "waiting"), t_say(last, "accepted"), t_stream(waits, "accepted");
    t_pass();
}
