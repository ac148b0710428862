// needs: any; names: any; row: "Task: interrupted system call"
// Children that wait for a POSIX lock, a lock of a description and one of flock(2) get them in the end, and not before.
#include "harness.h"
#include <sys/file.h>
#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif
int main(int argc, char **argv) {
    t_start(argc, argv);
    int f = t_make_file("f", 100, 1), o = OK(open("f", O_RDWR)), fl = OK(open("f", O_RDWR));
    struct flock a = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10}, b = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 50, .l_len = 10};
    OK(fcntl(f, F_SETLK, &a)), OK(fcntl(o, F_OFD_SETLK, &b)), OK(flock(fl, LOCK_EX));
    pid_t k[3];
    for (int i = 0; i < 3; i++) {
        k[i] = t_fork();
        if (k[i]) continue;
        close(fl), close(o);
        int own = OK(open("f", O_RDWR));
        t_mark(t_text("k%d", i));
        if (i == 0) OK(fcntl(own, F_SETLKW, &a));
        if (i == 1) OK(fcntl(own, F_OFD_SETLKW, &b));
        if (i == 2) OK(flock(own, LOCK_SH));
        CHECK(t_exists("go"));
        _exit(0);
    }
    for (int i = 0; i < 3; i++) t_await(t_text("k%d", i));
    t_ms(60);
    t_go();
    t_ms(30);
    EQ(OK(waitpid(-1, NULL, WNOHANG)), 0);
    a.l_type = b.l_type = F_UNLCK;
    OK(fcntl(f, F_SETLK, &a)), OK(fcntl(o, F_OFD_SETLK, &b)), OK(flock(fl, LOCK_UN));
    for (int i = 0; i < 3; i++) t_reap(k[i]);
    t_pass();
}
