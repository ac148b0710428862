// needs: any; names: any; row: "Descriptors: special files /dev/{null,zero,full,random,urandom,tty,ptmx}"
// Device nodes: each still behaves as itself, flags kept; a private and a shared mapping of /dev/zero.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const char *paths[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    int fd[5];
    for (int i = 0; i < 5; i++) fd[i] = OK(open(paths[i], O_RDWR | O_CLOEXEC | (i == 1 ? O_NONBLOCK : 0)));
    char *p = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd[1], 0));
    char *s = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd[1], 0));
    t_fill(p, PAGE, 1), t_fill(s, PAGE, 2);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        s[PAGE] = 7;
        _exit(0);
    }
    t_await("child");
    t_go();
    char b[64];
    memset(b, 1, sizeof b);
    EQ(OK(read(fd[0], b, 64)), 0);
    EQ(OK(write(fd[0], b, 64)), 64);
    EQ(OK(read(fd[1], b, 64)), 64);
    EQ(b[0] | b[63], 0);
    CHECK(fcntl(fd[1], F_GETFL) & O_NONBLOCK);
    FAILS(write(fd[2], b, 1), ENOSPC);
    EQ(OK(read(fd[3], b, 32)), 32);
    EQ(OK(read(fd[4], b, 64)), 64);
    for (int i = 0; i < 5; i++) {
        struct stat x, y;
        OK(fstat(fd[i], &x)), OK(stat(paths[i], &y));
        EQ(x.st_rdev, y.st_rdev);
        EQ(fcntl(fd[i], F_GETFD), FD_CLOEXEC);
    }
    t_reap(pid);
    t_same(p, PAGE, 1);
    t_same(s, PAGE, 2);
    EQ(s[PAGE], 7);
    t_pass();
}
