// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// A thread with a descriptor table of its own (unshare(CLONE_FILES)).
#include "harness.h"
static int fd;
static void *run(void *u) {
    OK(unshare(CLONE_FILES));
    OK(dup2(fd, 77)), close(fd);
    t_mark("thread");
    t_wait();
    char c;
    EQ(OK(pread(77, &c, 1, 3)), 1);
    FAILS(fcntl(fd, F_GETFD), EBADF);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    fd = t_make_file("f", 10, 1);
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    t_go();
    PT(pthread_join(t, NULL));
    OK(fcntl(fd, F_GETFD));
    FAILS(fcntl(77, F_GETFD), EBADF);
    t_pass();
}
