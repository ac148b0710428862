// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// SIGCHLD pending with the story of a dead child, of a stopped and of a continued one; each child then reaped.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGCHLD);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t pid = t_fork();
    if (!pid) _exit(37);
    siginfo_t si;
    OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
    t_go();
    struct timespec none = {0};
    EQ(OK(sigtimedwait(&set, &si, &none)), SIGCHLD);
    EQ(si.si_pid, pid), EQ(si.si_code, CLD_EXITED), EQ(si.si_status, 37), EQ(si.si_uid, getuid());
    FAILS(sigtimedwait(&set, &si, &none), EAGAIN);
    t_reap_at(__LINE__, pid, 37 << 8);
    t_pass();
}
