// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset"
// A program without any open descriptor, and a child with 0 only, which is a socket.
#include "harness.h"
#include <sys/socket.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int pair[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t pid = t_fork();
    if (!pid) {
        OK(dup2(pair[0], 0));
        OK(syscall(SYS_close_range, 1, ~0u, 0));
        t_mark("child");
        char b;
        t_read(0, &b, 1);
        FAILS(fcntl(1, F_GETFD), EBADF);
        _exit(b == 'x' ? 0 : 1);
    }
    t_await("child");
    close(pair[0]);
    pid_t bare = t_fork();
    if (!bare) {
        OK(syscall(SYS_close_range, 0, ~0u, 0));
        t_mark("bare");
        t_wait();
        for (int i = 0; i < 20; i++) FAILS(fcntl(i, F_GETFD), EBADF);
        EQ(OK(open("/dev/null", O_RDONLY)), 0);
        _exit(0);
    }
    t_await("bare");
    t_go();
    t_write(pair[1], "x", 1);
    t_reap(pid), t_reap(bare);
    t_pass();
}
