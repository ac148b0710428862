// needs: any; names: any; row: "Unix sockets: descriptors in flight (also sockets in flight in each other)"
// A socket in flight whose queue holds a descriptor in flight; a pair in flight in itself; an epoll set in flight.
#include "socket.h"
#include <sys/epoll.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int outer[2], inner[2], self[2], p[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, outer)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, inner)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, self));
    int f = t_make_file("f", 100, 1);
    OK(lseek(f, 42, SEEK_SET));
    t_send_fds(inner[0], "file", 4, &f, 1);
    t_send_fds(outer[0], "sock", 4, &inner[1], 1);
    close(f), close(inner[0]), close(inner[1]);
    t_send_fds(self[0], "me", 2, &self[1], 1); // the end that will receive itself
    OK(pipe(p));
    int ep = OK(epoll_create1(0));
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 99};
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    t_send_fds(outer[0], "poll", 4, &ep, 1);
    close(ep);
    t_go();
    char b[16] = {0};
    ssize_t n;
    int fd, fd2;
    EQ(t_recv_fds(outer[1], b, 4, &n, &fd, 1, NULL), 1);
    MEMEQ(b, "sock", 4);
    EQ(t_recv_fds(fd, b, 16, &n, &fd2, 1, NULL), 1);
    MEMEQ(b, "file", 4);
    EQ(lseek(fd2, 0, SEEK_CUR), 42);
    EQ(t_recv_fds(self[1], b, 16, &n, &fd, 1, NULL), 1);
    t_say(self[0], "hello"), t_stream(fd, "hello");
    EQ(t_recv_fds(outer[1], b, 4, &n, &fd, 1, NULL), 1);
    t_write(p[1], "x", 1);
    EQ(OK(epoll_wait(fd, &e, 1, 1000)), 1);
    EQ(e.data.u64, 99);
    t_pass();
}
