// needs: root; names: any; row: "Internet: raw, packet, netlink (refuse unless idle netlink)"; profile: none
// A socket for ICMP echo without privilege (ping): its id stays, and replies come.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
static void ping(int s, unsigned short id, unsigned short number) {
    struct icmphdr echo = {.type = ICMP_ECHO, .un.echo.sequence = number}, reply;
    struct sockaddr_in to = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    EQ(OK(sendto(s, &echo, sizeof echo, 0, (void *)&to, sizeof to)), (long)sizeof echo);
    EQ(OK(recv(s, &reply, sizeof reply, 0)), (long)sizeof reply);
    EQ(reply.type, ICMP_ECHOREPLY), EQ(reply.un.echo.sequence, number);
    if (id) EQ(reply.un.echo.id, id);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY));
    t_write(fd, "0 2147483647", 12), close(fd);
    int s = OK(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    ping(s, 0, 1);
    struct sockaddr_in was, now;
    socklen_t len = sizeof was;
    OK(getsockname(s, (void *)&was, &len));
    t_go();
    len = sizeof now;
    OK(getsockname(s, (void *)&now, &len)), EQ(now.sin_port, was.sin_port);
    ping(s, was.sin_port, 2);
    t_pass();
}
