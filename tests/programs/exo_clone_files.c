// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// Processes that share one descriptor table (CLONE_FILES): what one opens or closes, the other sees.
#include "harness.h"
static char stack[65536] __attribute__((aligned(16)));
static int fd;
static int run(void *arg) {
    t_mark("child");
    t_wait();
    t_await("opened");
    char c;
    EQ(OK(pread(101, &c, 1, 5)), 1);
    EQ((unsigned char)c, t_byte(5, 1));
    close(fd);
    _exit(0);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    fd = t_make_file("f", 100, 1);
    pid_t pid = OK(clone(run, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL));
    t_await("child");
    t_go();
    OK(dup2(fd, 101));
    t_mark("opened");
    t_reap(pid);
    FAILS(fcntl(fd, F_GETFD), EBADF);
    OK(fcntl(101, F_GETFD));
    t_pass();
}
