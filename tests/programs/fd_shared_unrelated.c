// needs: any; names: any; row: "Descriptors: shared between processes"
// Open file descriptions passed by SCM_RIGHTS between siblings stay shared.
#include "harness.h"
#include <sys/socket.h>
static void send_fd(int sock, int fd) {
    char c = 'f', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    OK(sendmsg(sock, &m, 0));
}
static int receive_fd(int sock) {
    char c, control[CMSG_SPACE(sizeof(int))];
    struct iovec v = {&c, 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    OK(recvmsg(sock, &m, 0));
    int fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    pid_t a = t_fork();
    if (!a) {
        int fd = t_make_file("f", 5000, 1), p[2];
        OK(pipe(p));
        OK(lseek(fd, 11, SEEK_SET));
        send_fd(s[0], fd), send_fd(s[0], p[1]);
        close(p[1]);
        t_mark("sent");
        t_wait();
        t_await("moved");
        EQ(lseek(fd, 0, SEEK_CUR), 4321);
        char b[4];
        t_read(p[0], b, 4);
        MEMEQ(b, "over", 4);
        _exit(0);
    }
    pid_t b = t_fork();
    if (!b) {
        int fd = receive_fd(s[1]), w = receive_fd(s[1]);
        close(s[0]), close(s[1]);
        t_mark("received");
        t_wait();
        EQ(lseek(fd, 0, SEEK_CUR), 11);
        OK(lseek(fd, 4321, SEEK_SET));
        t_write(w, "over", 4);
        t_mark("moved");
        _exit(0);
    }
    t_await("received"), t_await("sent");
    close(s[0]), close(s[1]);
    t_go();
    t_reap(a);
    t_reap(b);
    t_pass();
}
