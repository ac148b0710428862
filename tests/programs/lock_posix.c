// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// POSIX record locks of two processes on parts of a file: held, seen by F_GETLK with the owner's id, released by closing.
#include "harness.h"
static struct flock get(int fd, int type, off_t start, off_t len) {
    struct flock l = {.l_type = type, .l_start = start, .l_len = len};
    OK(fcntl(fd, F_GETLK, &l));
    return l;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 1000, 1);
    struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 20}, r = {.l_type = F_RDLCK, .l_start = 100, .l_len = 0};
    OK(fcntl(fd, F_SETLK, &l)), OK(fcntl(fd, F_SETLK, &r));
    pid_t parent = getpid(), pid = t_fork();
    if (!pid) {
        struct flock mine = {.l_type = F_WRLCK, .l_start = 50, .l_len = 5};
        OK(fcntl(fd, F_SETLK, &mine)), OK(fcntl(fd, F_SETLK, &r));
        t_mark("child");
        t_wait();
        struct flock g = get(fd, F_RDLCK, 0, 40);
        EQ(g.l_type, F_WRLCK);
        EQ(g.l_pid, parent);
        EQ(g.l_start, 10);
        EQ(g.l_len, 20);
        g = get(fd, F_WRLCK, 500, 1);
        EQ(g.l_type, F_RDLCK);
        EQ(g.l_pid, parent);
        EQ(g.l_start, 100);
        EQ(g.l_len, 0);
        EQ(get(fd, F_WRLCK, 30, 20).l_type, F_UNLCK);
        t_mark("seen");
        t_await("closed");
        EQ(get(fd, F_WRLCK, 0, 50).l_type, F_UNLCK);
        _exit(0);
    }
    t_await("child");
    t_go();
    struct flock g = get(fd, F_WRLCK, 45, 40);
    EQ(g.l_type, F_WRLCK);
    EQ(g.l_pid, pid);
    EQ(g.l_start, 50);
    EQ(get(fd, F_WRLCK, 200, 1).l_pid, pid);
    FAILS(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 52, .l_len = 1}), EAGAIN);
    t_await("seen");
    close(OK(open("f", O_RDONLY)));
    t_mark("closed");
    t_reap(pid);
    t_pass();
}
