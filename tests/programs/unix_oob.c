// needs: any; names: any; row: "Unix sockets: queued data and boundaries"
// Descriptors queued by a process that has died, its end closed, still received; a socket that waits in accept's queue with them.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int l = t_un_bound("l", SOCK_STREAM, 3), s[2];
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    pid_t pid = t_fork();
    if (!pid) {
        int f = t_make_file("f", 100, 1), c = t_un_connected("l", SOCK_STREAM);
        OK(lseek(f, 33, SEEK_SET));
        t_send_fds(c, "in queue", 8, &f, 1), t_send_fds(s[0], "in pair", 7, &f, 1);
        _exit(0);
    }
    close(s[0]);
    t_reap(pid);
    t_go();
    int fd[2];
    char b[16];
    ssize_t n;
    EQ(t_recv_fds(s[1], b, 16, &n, &fd[0], 1, NULL), 1);
    MEMEQ(b, "in pair", 7);
    EQ(recv(s[1], b, 16, 0), 0);
    int a = OK(accept(l, NULL, NULL));
    EQ(t_recv_fds(a, b, 16, &n, &fd[1], 1, NULL), 1);
    EQ(lseek(fd[0], 0, SEEK_CUR), 33);
    OK(lseek(fd[0], 44, SEEK_SET));
    EQ(lseek(fd[1], 0, SEEK_CUR), 44);
    EQ(recv(a, b, 16, 0), 0);
    t_pass();
}
