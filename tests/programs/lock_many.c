// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// 200 alternating record locks, and locks of all three kinds on one file at once.
#include "harness.h"
#include <sys/file.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 10000, 1), ofd = OK(open("f", O_RDWR));
    for (int i = 0; i < 200; i++) OK(fcntl(fd, F_SETLK, &(struct flock){.l_type = i % 2 ? F_RDLCK : F_WRLCK, .l_start = i * 10, .l_len = 5}));
    OK(fcntl(ofd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = 9000, .l_len = 10}));
    OK(flock(fd, LOCK_SH));
    t_go();
    pid_t pid = t_fork();
    if (!pid) {
        for (int i = 0; i < 200; i++) {
            struct flock l = {.l_type = F_WRLCK, .l_start = i * 10, .l_len = 10};
            OK(fcntl(fd, F_GETLK, &l));
            EQ(l.l_type, i % 2 ? F_RDLCK : F_WRLCK), EQ(l.l_start, i * 10), EQ(l.l_len, 5), EQ(l.l_pid, getppid());
        }
        struct flock l = {.l_type = F_WRLCK, .l_start = 9005, .l_len = 1};
        OK(fcntl(fd, F_GETLK, &l));
        EQ(l.l_type, F_WRLCK), EQ(l.l_pid, -1);
        FAILS(flock(OK(open("f", O_RDONLY)), LOCK_EX | LOCK_NB), EWOULDBLOCK);
        _exit(0);
    }
    t_reap(pid);
    t_pass();
}
