// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// Locks to the end of the file, side by side, of a shared description, on deleted files, fifos and directories, of two processes.
#include "harness.h"
#include <sys/file.h>
#ifndef F_OFD_SETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif
static int lock(int fd, int how, short type, off_t from, off_t len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len};
    return fcntl(fd, how, &l);
}
static struct flock who(int fd, off_t at) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    OK(fcntl(fd, F_GETLK, &l));
    return l;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int f = t_make_file("f", 1000, 1), g = OK(open("f", O_RDWR)), o = OK(open("f", O_RDWR)), dead = t_make_file("dead", 10, 1);
    OK(unlink("dead"));
    OK(lock(f, F_SETLK, F_WRLCK, 0, 10)), OK(lock(f, F_SETLK, F_RDLCK, 10, 10)), OK(lock(f, F_SETLK, F_WRLCK, 500, 0));
    OK(lock(f, F_SETLK, F_UNLCK, 600, 50));
    OK(lock(o, F_OFD_SETLK, F_WRLCK, 100, 100)), OK(lock(dead, F_SETLK, F_WRLCK, 3, 4));
    int dir = OK(open(".", O_RDONLY | O_DIRECTORY)), dead2 = OK(open(t_text("/proc/self/fd/%d", dead), O_RDWR));
    OK(flock(dir, LOCK_EX)), OK(flock(dead2, LOCK_SH));
    pid_t pid = t_fork();
    if (!pid) {
        OK(lock(g, F_SETLK, F_WRLCK, 300, 50));
        t_mark("child");
        t_await("check");
        struct flock l = who(g, 5);
        EQ(l.l_type, F_WRLCK), EQ(l.l_pid, getppid()), EQ(l.l_start, 0), EQ(l.l_len, 10);
        l = who(g, 15), EQ(l.l_type, F_RDLCK), EQ(l.l_start, 10);
        l = who(g, 2000), EQ(l.l_type, F_WRLCK), EQ(l.l_start, 650), EQ(l.l_len, 0);
        l = who(g, 620), EQ(l.l_type, F_UNLCK);
        l = who(g, 150), EQ(l.l_type, F_WRLCK), EQ(l.l_pid, -1);
        l = who(dead, 4), EQ(l.l_pid, getppid()), EQ(l.l_len, 4);
        OK(lock(o, F_OFD_SETLK, F_UNLCK, 100, 50)); // the description is shared
        _exit(0);
    }
    t_await("child");
    t_go();
    struct flock l = who(f, 320);
    EQ(l.l_pid, pid), EQ(l.l_start, 300), EQ(l.l_len, 50);
    t_mark("check");
    t_reap(pid);
    l = who(f, 120), EQ(l.l_type, F_UNLCK), l = who(f, 160), EQ(l.l_type, F_WRLCK);
    int dir2 = OK(open(".", O_RDONLY | O_DIRECTORY)), dead3 = OK(open(t_text("/proc/self/fd/%d", dead), O_RDWR));
    FAILS(flock(dir2, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    FAILS(flock(dead3, LOCK_EX | LOCK_NB), EWOULDBLOCK), OK(flock(dead3, LOCK_SH | LOCK_NB));
    OK(flock(dir, LOCK_UN)), OK(flock(dir2, LOCK_SH | LOCK_NB));
    t_pass();
}
