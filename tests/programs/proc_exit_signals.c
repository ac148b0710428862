// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// Children made by clone with another signal for their end, or none: only __WCLONE or __WALL waits for them.
#include "harness.h"
static volatile int usr1, chld, rt;
static void on(int sig) { sig == SIGUSR1 ? usr1++ : sig == SIGCHLD ? chld++ : rt++; }
static pid_t make(int sig) {
    pid_t pid = OK(syscall(SYS_clone, sig, 0, 0, 0, 0));
    if (!pid) {
        t_wait();
        _exit(sig);
    }
    return pid;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, on), signal(SIGCHLD, on), signal(SIGRTMIN, on);
    pid_t none = make(0), one = make(SIGUSR1), two = make(SIGRTMIN), normal = make(SIGCHLD);
    t_go();
    int status;
    pid_t got;
    do got = waitpid(-1, &status, 0);
    while (got < 0 && errno == EINTR);
    EQ(got, normal);
    FAILS(waitpid(-1, &status, 0), ECHILD);
    for (int i = 0; i < 3; i++) {
        do got = waitpid(-1, &status, i ? __WCLONE : __WALL);
        while (got < 0 && errno == EINTR);
        CHECK(got == none || got == one || got == two);
        EQ(WEXITSTATUS(status), got == none ? 0 : got == one ? SIGUSR1 : SIGRTMIN);
    }
    EQ(usr1, 1), EQ(chld, 1), EQ(rt, 1);
    t_pass();
}
