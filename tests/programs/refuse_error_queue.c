// needs: any; names: any; expect: MSG_ERRQUEUE; row: "Internet: UDP, connected, multicast, cork"
// A detailed error (IP_RECVERR) that nobody has read: reading takes it, so only the program may.
#include "socket.h"
#include <linux/errqueue.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 to;
    socklen_t len;
    int peer = t_in_bound(AF_INET, SOCK_DGRAM, -1, &to, &len), s = OK(socket(AF_INET, SOCK_DGRAM, 0));
    t_set(s, IPPROTO_IP, IP_RECVERR, 1);
    OK(connect(s, (void *)&to, len));
    close(peer);
    OK(send(s, "lost", 4, 0));
    t_go();
    EQ(t_opt(s, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    char data[8], control[512];
    struct iovec v = {data, sizeof data};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    EQ(OK(recvmsg(s, &m, MSG_ERRQUEUE | MSG_DONTWAIT)), 4);
    MEMEQ(data, "lost", 4);
    t_pass();
}
