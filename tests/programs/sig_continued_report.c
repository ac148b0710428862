// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A child that was continued, and whose parent has not asked yet, is told as continued once.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid)
        for (;;) pause();
    siginfo_t si;
    int status;
    kill(pid, SIGSTOP);
    OK(waitpid(pid, &status, WUNTRACED));
    kill(pid, SIGCONT);
    OK(waitid(P_PID, pid, &si, WCONTINUED | WNOWAIT));
    t_go();
    EQ(OK(waitpid(pid, &status, WCONTINUED | WNOHANG)), pid);
    CHECK(WIFCONTINUED(status));
    EQ(OK(waitpid(pid, &status, WCONTINUED | WNOHANG)), 0);
    kill(pid, SIGKILL);
    t_reap_at(__LINE__, pid, SIGKILL);
    t_pass();
}
