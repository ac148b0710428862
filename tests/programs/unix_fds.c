// needs: any; names: any; row: "Unix sockets: descriptors in flight (also sockets in flight in each other)"
// Descriptors in flight: files with offsets, pipe ends closed by everybody else, in stream and datagram queues.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2], d[2], p[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d)), OK(pipe(p));
    int f = t_make_file("f", 1000, 1), g = t_make_file("g", 1000, 2);
    OK(lseek(f, 50, SEEK_SET)), OK(lseek(g, 60, SEEK_SET));
    t_write(p[1], "in pipe", 7);
    t_say(s[0], "plain ");
    t_send_fds(s[0], "with two", 8, (int[]){f, p[0]}, 2);
    t_say(s[0], " more");
    t_send_fds(d[0], "with one", 8, &g, 1);
    close(g), close(p[0]), close(p[1]);
    t_go();
    char b[64] = {0};
    ssize_t n;
    int fds[4];
    int count = t_recv_fds(s[1], b, 6, &n, fds, 4, NULL);
    EQ(count, 0);
    EQ(n, 6);
    memset(b, 0, sizeof b);
    EQ(t_recv_fds(s[1], b, 8, &n, fds, 4, NULL), 2);
    STREQ(b, "with two");
    EQ(lseek(fds[0], 0, SEEK_CUR), 50);
    OK(lseek(f, 70, SEEK_SET));
    EQ(lseek(fds[0], 0, SEEK_CUR), 70);
    t_read(fds[1], b, 7);
    MEMEQ(b, "in pipe", 7);
    EQ(read(fds[1], b, 1), 0);
    t_stream(s[1], " more");
    EQ(t_recv_fds(d[1], b, 64, &n, fds, 4, NULL), 1);
    EQ(lseek(fds[0], 0, SEEK_CUR), 60);
    t_pass();
}
