// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// Signals 32 and 33, which the C library hides, and all others blocked and pending, sent to thread and process.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    uint64_t all = ~0ull, pending;
    OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8));
    for (int s = 1; s <= 64; s++) {
        if (s == SIGKILL || s == SIGSTOP || s == SIGCONT || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU) continue;
        OK(syscall(SYS_tgkill, getpid(), t_gettid(), s));
        OK(syscall(SYS_kill, getpid(), s));
    }
    uint64_t was;
    OK(syscall(SYS_rt_sigpending, &was, 8));
    t_go();
    OK(syscall(SYS_rt_sigpending, &pending, 8));
    EQ(pending, was);
    OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &pending, 8));
    EQ(pending, ~((1ull << (SIGKILL - 1)) | (1ull << (SIGSTOP - 1))));
    for (int s = 1; s <= 64; s++) {
        if (!(was >> (s - 1) & 1)) continue;
        uint64_t one = 1ull << (s - 1);
        struct timespec none = {0};
        siginfo_t si;
        EQ(syscall(SYS_rt_sigtimedwait, &one, &si, &none, 8), s);
        EQ(si.si_code, SI_TKILL), EQ(si.si_pid, getpid());
        EQ(syscall(SYS_rt_sigtimedwait, &one, &si, &none, 8), s);
        EQ(si.si_code, SI_USER);
        FAILS(syscall(SYS_rt_sigtimedwait, &one, &si, &none, 8), EAGAIN);
    }
    t_pass();
}
