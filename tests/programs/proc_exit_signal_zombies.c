// needs: any; names: any; row: "Process: exit code of zombies"
// Dead children with another signal for their end, or none, not reaped yet.
#include "harness.h"
static volatile int hits;
static void on(int sig) { hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, on);
    pid_t pid[3];
    static const int sigs[] = {0, SIGUSR1, SIGCHLD};
    for (int i = 0; i < 3; i++) {
        pid[i] = OK(syscall(SYS_clone, sigs[i], 0, 0, 0, 0));
        if (!pid[i]) _exit(10 + i);
        siginfo_t si;
        while (waitid(P_PID, pid[i], &si, WEXITED | WNOWAIT | __WALL) < 0) EQ(errno, EINTR);
    }
    EQ(hits, 1);
    t_go();
    EQ(hits, 1);
    int status;
    EQ(OK(waitpid(-1, &status, 0)), pid[2]), EQ(WEXITSTATUS(status), 12);
    FAILS(waitpid(-1, &status, 0), ECHILD);
    EQ(OK(waitpid(pid[0], &status, __WCLONE)), pid[0]), EQ(WEXITSTATUS(status), 10);
    EQ(OK(waitpid(pid[1], &status, __WALL)), pid[1]), EQ(WEXITSTATUS(status), 11);
    t_pass();
}
