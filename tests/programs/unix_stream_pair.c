// needs: any; names: any; row: "Unix sockets: stream, datagram, seqpacket pairs"
// A stream pair with data queued both ways, shared with a child; flags; a full queue.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2], f[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s)), OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f));
    t_say(s[0], "to the right"), t_say(s[1], "to the left");
    char b[4096];
    long filled = 0, n;
    for (t_fill(b, sizeof b, 1); (n = write(f[0], b, sizeof b)) > 0;) filled += n;
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        t_stream(s[1], "to the");
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    t_stream(s[1], " right"), t_stream(s[0], "to the left");
    EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(f[0], F_GETFL) & O_NONBLOCK);
    FAILS(write(f[0], b, sizeof b), EAGAIN);
    long total = 0;
    while ((n = read(f[1], b, sizeof b)) > 0) {
        for (long i = 0; i < n; i++) EQ((unsigned char)b[i], t_byte((total + i) % sizeof b, 1));
        total += n;
    }
    EQ(total, filled);
    t_say(s[0], "again"), t_stream(s[1], "again");
    close(s[0]);
    EQ(read(s[1], b, 1), 0);
    t_pass();
}
