// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// A connection of a socket with itself (simultaneous open), with data in its queue.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s = OK(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}}, now;
    OK(bind(s, (void *)&a, sizeof a));
    socklen_t len = sizeof a;
    OK(getsockname(s, (void *)&a, &len));
    OK(connect(s, (void *)&a, sizeof a));
    t_write(s, "to myself", 9);
    t_go();
    len = sizeof now, OK(getpeername(s, (void *)&now, &len)), EQ(now.sin_port, a.sin_port);
    char b[16];
    t_read(s, b, 9), MEMEQ(b, "to myself", 9);
    t_write(s, "again", 5), t_read(s, b, 5);
    OK(shutdown(s, SHUT_WR)), EQ(OK(read(s, b, 1)), 0);
    t_pass();
}
