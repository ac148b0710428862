// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset"
// Regular files: numbers with gaps, offsets, access modes, status flags, close-on-exec, append.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const struct {
        int number, flags, cloexec, offset;
    } f[] = {{17, O_RDONLY, 0, 3},
             {100, O_WRONLY, FD_CLOEXEC, 77},
             {101, O_RDWR | O_APPEND, 0, 0},
             {250, O_RDWR | O_NONBLOCK, FD_CLOEXEC, 1 << 20},
             {251, O_RDWR | O_SYNC, 0, 5},
             {5, O_RDWR | O_NOATIME | O_DSYNC, 0, 6},
             {6, O_WRONLY | O_APPEND | O_ASYNC, 0, 0}};
    const int n = sizeof f / sizeof *f;
    close(t_make_file("f", 1000, 1));
    for (int i = 0; i < n; i++) {
        int fd = OK(open("f", f[i].flags));
        if (fd != f[i].number) OK(dup2(fd, f[i].number)), close(fd);
        if (f[i].flags & O_ASYNC) fcntl(f[i].number, F_SETFL, f[i].flags & (O_APPEND | O_ASYNC));
        OK(fcntl(f[i].number, F_SETFD, f[i].cloexec));
        OK(lseek(f[i].number, f[i].offset, SEEK_SET));
    }
    int flags[8];
    for (int i = 0; i < n; i++) flags[i] = OK(fcntl(f[i].number, F_GETFL));
    t_go();
    for (int i = 0; i < n; i++) {
        EQ(lseek(f[i].number, 0, SEEK_CUR), f[i].offset);
        EQ(fcntl(f[i].number, F_GETFL), flags[i]);
        EQ(fcntl(f[i].number, F_GETFD), f[i].cloexec);
    }
    FAILS(fcntl(18, F_GETFD), EBADF);
    char c;
    EQ(OK(read(17, &c, 1)), 1);
    EQ((unsigned char)c, t_byte(3, 1));
    FAILS(write(17, "x", 1), EBADF);
    FAILS(read(100, &c, 1), EBADF);
    t_write(101, "tail", 4);
    EQ(lseek(101, 0, SEEK_CUR), 1004);
    int next = OK(dup(0));
    EQ(next, 3);
    t_pass();
}
