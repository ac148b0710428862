// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset"
// Every status flag that a file can be opened with, alone and together.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    close(t_make_file("f", 100, 1));
    static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_WRONLY | O_SYNC, O_RDWR | O_DSYNC, O_RDONLY | O_NOATIME,
                                O_RDWR | O_NONBLOCK, O_RDWR | O_APPEND | O_NONBLOCK | O_SYNC | O_NOATIME, O_RDONLY | O_NOFOLLOW,
                                O_RDONLY | O_NOCTTY, 3 /* for ioctl only */, O_RDONLY | O_ASYNC};
    enum { N = sizeof flags / sizeof *flags };
    int fd[N], was[N];
    for (int i = 0; i < N; i++) fd[i] = OK(open("f", flags[i] | (i % 2 ? O_CLOEXEC : 0))), was[i] = OK(fcntl(fd[i], F_GETFL));
    t_go();
    char b;
    for (int i = 0; i < N; i++) {
        EQ(OK(fcntl(fd[i], F_GETFL)), was[i]);
        EQ(OK(fcntl(fd[i], F_GETFD)), i % 2 ? FD_CLOEXEC : 0);
    }
    FAILS(read(fd[1], &b, 1), EBADF);
    FAILS(write(fd[0], "x", 1), EBADF);
    FAILS(read(fd[11], &b, 1), EBADF);
    t_write(fd[3], "end", 3);
    EQ(OK(lseek(fd[3], 0, SEEK_CUR)), 103);
    t_pass();
}
