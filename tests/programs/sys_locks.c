// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in flock, F_SETLKW and F_OFD_SETLKW until the owner unlocks after the go signal.
#include "harness.h"
#include <sys/file.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 100, 1), other = OK(open("f", O_RDWR)), ofd = OK(open("f", O_RDWR));
    close(t_make_file("g", 1, 1));
    int g = OK(open("g", O_RDWR));
    struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5}, o = {.l_type = F_WRLCK, .l_start = 50, .l_len = 5};
    OK(fcntl(fd, F_SETLK, &l));
    OK(fcntl(ofd, F_OFD_SETLK, &o));
    OK(flock(g, LOCK_EX));
    pid_t kids[3];
    for (int i = 0; i < 3; i++) {
        kids[i] = t_fork();
        if (kids[i]) continue;
        t_mark(t_text("k%d", i));
        if (i == 0) OK(fcntl(other, F_SETLKW, &l));
        if (i == 1) OK(fcntl(OK(open("f", O_RDWR)), F_OFD_SETLKW, &o));
        if (i == 2) OK(flock(OK(open("g", O_RDWR)), LOCK_EX));
        CHECK(t_exists("unlocked"));
        _exit(0);
    }
    for (int i = 0; i < 3; i++) t_await(t_text("k%d", i));
    t_ms(30);
    t_go();
    t_mark("unlocked");
    l.l_type = o.l_type = F_UNLCK;
    OK(fcntl(fd, F_SETLK, &l));
    OK(fcntl(ofd, F_OFD_SETLK, &o));
    OK(flock(g, LOCK_UN));
    for (int i = 0; i < 3; i++) t_reap(kids[i]);
    t_pass();
}
