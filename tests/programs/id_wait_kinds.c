// needs: any; names: any; row: "Names: pid, tid, pgid, sid in every call, wait status"
// After the go signal every kind of wait names children by their ids: by group, any, WNOWAIT, rusage, SIGCHLD of each.
#include "harness.h"
#include <sys/resource.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t k[5];
    for (int i = 0; i < 5; i++) {
        k[i] = t_fork();
        if (k[i]) continue;
        if (i == 4) t_await("k3"); // the group must be there
        if (i >= 3) OK(setpgid(0, i == 3 ? 0 : k[3]));
        t_mark(t_text("k%d", i));
        t_await(t_text("die%d", i));
        _exit(i + 1);
    }
    for (int i = 0; i < 5; i++) t_await(t_text("k%d", i));
    t_go();
    int status;
    siginfo_t si;
    struct rusage ru;
    EQ(OK(waitpid(-1, &status, WNOHANG)), 0);
    t_mark("die0");
    OK(waitid(P_ALL, 0, &si, WEXITED | WNOWAIT));
    EQ(si.si_pid, k[0]);
    EQ(OK(wait(&status)), k[0]);
    t_mark("die1");
    EQ(OK(wait4(0, &status, 0, &ru)), k[1]);
    t_mark("die2");
    EQ(OK(wait3(&status, 0, NULL)), k[2]);
    t_mark("die3"), t_mark("die4");
    OK(waitid(P_PGID, k[3], &si, WEXITED));
    CHECK(si.si_pid == k[3] || si.si_pid == k[4]);
    pid_t other = si.si_pid == k[3] ? k[4] : k[3];
    EQ(OK(waitpid(-k[3], &status, 0)), other);
    FAILS(waitpid(-1, NULL, 0), ECHILD);
    t_pass();
}
