// needs: any; names: any; row: "Process: exit code of zombies"
// Zombies of every end: a status, a signal, a signal with core, killed while stopped, a group and a session of their own, with threads once.
#include "harness.h"
static void *forever(void *arg) {
    for (;;) pause();
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct rlimit none = {0, 0};
    OK(setrlimit(RLIMIT_CORE, &none));
    enum { N = 7 };
    pid_t pid[N];
    for (int i = 0; i < N; i++) {
        pid[i] = t_fork();
        if (!pid[i]) {
            if (i == 0) _exit(255);
            if (i == 1) raise(SIGKILL);
            if (i == 2) signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
            if (i == 3) raise(SIGSTOP);
            if (i == 4) setpgid(0, 0), _exit(1);
            if (i == 5) setsid(), raise(SIGHUP);
            if (i == 6) t_thread(forever, 0), t_thread(forever, 0), _exit(77);
            _exit(99);
        }
    }
    siginfo_t si, was[N], now;
    OK(waitid(P_PID, pid[3], &si, WSTOPPED));
    kill(pid[3], SIGTERM), kill(pid[3], SIGKILL);
    for (int i = 0; i < N; i++) OK(waitid(P_PID, pid[i], &was[i], WEXITED | WNOWAIT));
    t_go();
    for (int i = N - 1; i >= 0; i--) {
        OK(waitid(P_PID, pid[i], &now, WEXITED | WNOWAIT));
        EQ(now.si_code, was[i].si_code), EQ(now.si_status, was[i].si_status), EQ(now.si_pid, pid[i]);
        int status;
        EQ(getpgid(pid[i]), i == 4 || i == 5 ? pid[i] : getpgrp());
        EQ(OK(waitpid(pid[i], &status, 0)), pid[i]);
        static const int want[N] = {255 << 8, SIGKILL, SIGSEGV, SIGKILL, 1 << 8, SIGHUP, 77 << 8};
        EQ(status & ~0x80, want[i]);
    }
    FAILS(waitpid(-1, NULL, 0), ECHILD);
    t_pass();
}
