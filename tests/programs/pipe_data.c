// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// Pipes with data in them, of changed size, full, shared with a child, closed at one end.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a[2], big[2], full[2], eof[2], broken[2];
    OK(pipe2(a, O_CLOEXEC)), OK(pipe(big)), OK(pipe(full)), OK(pipe(eof)), OK(pipe(broken));
    t_write(a[1], "hello", 5);
    int size = OK(fcntl(big[1], F_SETPIPE_SZ, 1 << 18));
    char *b = malloc(size);
    t_fill(b, size, 1);
    t_write(big[1], b, 200000);
    OK(fcntl(full[1], F_SETFL, O_NONBLOCK));
    while (write(full[1], "0123456789abcdef", 16) == 16) {}
    EQ(errno, EAGAIN);
    t_write(eof[1], "last", 4);
    close(eof[1]), close(broken[0]);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        char c[3];
        t_read(a[0], c, 3);
        MEMEQ(c, "hel", 3);
        t_mark("read");
        _exit(0);
    }
    t_await("child");
    t_go();
    t_await("read");
    char c[16];
    t_read(a[0], c, 2);
    MEMEQ(c, "lo", 2);
    EQ(fcntl(a[0], F_GETFD), FD_CLOEXEC);
    EQ(fcntl(big[0], F_GETPIPE_SZ), size);
    memset(b, 0, size);
    t_read(big[0], b, 200000);
    t_same(b, 200000, 1);
    FAILS(write(full[1], "x", 1), EAGAIN);
    t_reap(pid);
    close(full[1]);
    long total = 0, n;
    while ((n = OK(read(full[0], b, 16))) > 0) {
        MEMEQ(b, "0123456789abcdef", n);
        total += n;
    }
    EQ(total, 65536);
    t_read(eof[0], c, 4);
    EQ(read(eof[0], c, 1), 0);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(broken[1], "x", 1), EPIPE);
    t_pass();
}
