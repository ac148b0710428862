// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// Stops and continuations of children that were told to the parent are not told again; those that were not are told once.
#include "harness.h"
static pid_t child(void) {
    pid_t pid = t_fork();
    if (!pid) {
        OK(setpgid(0, 0)); // the group of a session's leader is orphaned, and ignores SIGTSTP
        t_mark(t_text("c%d", getpid()));
        for (;;) pause();
    }
    t_await(t_text("c%d", pid));
    return pid;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t told = child(), untold = child(), seen = child();
    siginfo_t si;
    int status;
    kill(told, SIGSTOP);
    EQ(OK(waitpid(told, &status, WUNTRACED)), told);
    EQ(WSTOPSIG(status), SIGSTOP);
    kill(untold, SIGTSTP), kill(seen, SIGSTOP);
    OK(waitid(P_PID, untold, &si, WSTOPPED | WNOWAIT)), OK(waitid(P_PID, seen, &si, WSTOPPED | WNOWAIT));
    t_go();
    EQ(OK(waitpid(told, &status, WUNTRACED | WNOHANG)), 0);
    si.si_pid = 0;
    OK(waitid(P_PID, untold, &si, WSTOPPED | WNOHANG | WNOWAIT));
    EQ(si.si_pid, untold), EQ(si.si_status, SIGTSTP), EQ(si.si_code, CLD_STOPPED);
    EQ(OK(waitpid(untold, &status, WUNTRACED | WNOHANG)), untold);
    EQ(WSTOPSIG(status), SIGTSTP);
    EQ(OK(waitpid(untold, &status, WUNTRACED | WNOHANG)), 0);
    EQ(OK(waitpid(seen, &status, WUNTRACED | WNOHANG)), seen);
    EQ(WSTOPSIG(status), SIGSTOP);
    kill(told, SIGCONT);
    EQ(OK(waitpid(told, &status, WCONTINUED)), told);
    CHECK(WIFCONTINUED(status));
    pid_t all[] = {told, untold, seen};
    for (int i = 0; i < 3; i++) {
        kill(all[i], SIGKILL);
        t_reap_at(__LINE__, all[i], SIGKILL);
    }
    t_pass();
}
