// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// flock: exclusive and shared ones, belonging to descriptions shared by fork, held by a description whose process died.
#include "harness.h"
#include <sys/file.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    close(t_make_file("a", 1, 1)), close(t_make_file("b", 1, 1)), close(t_make_file("c", 1, 1));
    int a = OK(open("a", O_RDWR)), a2 = OK(open("a", O_RDONLY)), b = OK(open("b", O_RDONLY)), c = OK(open("c", O_RDONLY));
    OK(flock(a, LOCK_EX)), OK(flock(b, LOCK_SH));
    pid_t gone = t_fork();
    if (!gone) _exit(flock(c, LOCK_EX) != 0);
    t_reap(gone);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        OK(flock(a, LOCK_EX | LOCK_NB)); // the same description
        FAILS(flock(a2, LOCK_SH | LOCK_NB), EWOULDBLOCK);
        int mine = OK(open("b", O_RDONLY));
        OK(flock(mine, LOCK_SH | LOCK_NB));
        FAILS(flock(mine, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        FAILS(flock(OK(open("c", O_RDONLY)), LOCK_SH | LOCK_NB), EWOULDBLOCK);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    OK(flock(c, LOCK_UN));
    OK(flock(OK(open("c", O_RDONLY)), LOCK_EX | LOCK_NB));
    OK(flock(a, LOCK_UN));
    OK(flock(a2, LOCK_EX | LOCK_NB));
    t_pass();
}
