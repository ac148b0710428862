// needs: any; names: any; row: "Process: exit code of zombies"
// Zombies that exited, were killed and dumped core, one in a group and one in a session of its own: statuses and ids afterwards.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
    static const int want[] = {0, 7 << 8, 255 << 8, SIGKILL, SIGTERM, SIGABRT, 3 << 8, 4 << 8};
    pid_t pid[8];
    for (int i = 0; i < 8; i++) {
        pid[i] = t_fork();
        if (pid[i]) continue;
        signal(SIGTERM, SIG_DFL);
        if (i == 6) OK(setpgid(0, 0));
        if (i == 7) OK(setsid());
        if (want[i] & 0xff) OK(kill(getpid(), want[i]));
        _exit(want[i] >> 8);
    }
    for (int i = 0; i < 8; i++) {
        siginfo_t si;
        OK(waitid(P_PID, pid[i], &si, WEXITED | WNOWAIT));
    }
    t_go();
    for (int i = 0; i < 8; i++) EQ(*t_field(t_text("/proc/%d/status", pid[i]), "State"), 'Z');
    EQ(getpgid(pid[6]), pid[6]);
    EQ(getsid(pid[7]), pid[7]);
    OK(kill(pid[0], 0));
    for (int i = 7; i >= 0; i--) {
        siginfo_t si;
        OK(waitid(P_PID, pid[i], &si, WEXITED | WNOWAIT));
        EQ(si.si_pid, pid[i]);
        EQ(si.si_code, want[i] & 0xff ? CLD_KILLED : CLD_EXITED);
        EQ(si.si_status, want[i] & 0xff ? want[i] : want[i] >> 8);
        t_reap_at(__LINE__, pid[i], want[i]);
    }
    FAILS(wait(NULL), ECHILD);
    t_pass();
}
