// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// Pending standard and real-time signals, shared by the process: order, values, codes and senders.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    pid_t child = t_fork();
    if (!child) {
        for (int i = 0; i < 5; i++) OK(sigqueue(getppid(), SIGRTMIN + 2, (union sigval){.sival_int = 100 + i}));
        OK(sigqueue(getppid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)0x123456789abcul}));
        OK(kill(getppid(), SIGUSR1));
        OK(kill(getppid(), SIGUSR1));
        OK(sigqueue(getppid(), SIGUSR2, (union sigval){.sival_int = 77}));
        t_mark("sent");
        t_wait();
        _exit(0);
    }
    t_await("sent");
    t_go();
    sigset_t one;
    siginfo_t si;
    sigset_t pending;
    OK(sigpending(&pending));
    EQ(sigismember(&pending, SIGUSR1), 1);
    EQ(sigismember(&pending, SIGHUP), 0);
    sigemptyset(&one), sigaddset(&one, SIGUSR1);
    struct timespec none = {0};
    EQ(OK(sigtimedwait(&one, &si, &none)), SIGUSR1);
    EQ(si.si_code, SI_USER);
    EQ(si.si_pid, child);
    EQ(si.si_uid, getuid());
    FAILS(sigtimedwait(&one, &si, &none), EAGAIN);
    sigemptyset(&one), sigaddset(&one, SIGUSR2);
    EQ(OK(sigtimedwait(&one, &si, &none)), SIGUSR2);
    EQ(si.si_code, SI_QUEUE);
    EQ(si.si_value.sival_int, 77);
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 1), sigaddset(&one, SIGRTMIN + 2);
    EQ(OK(sigtimedwait(&one, &si, &none)), SIGRTMIN + 1);
    EQ((long)si.si_value.sival_ptr, 0x123456789abcul);
    for (int i = 0; i < 5; i++) {
        EQ(OK(sigtimedwait(&one, &si, &none)), SIGRTMIN + 2);
        EQ(si.si_value.sival_int, 100 + i);
        EQ(si.si_pid, child);
        EQ(si.si_code, SI_QUEUE);
    }
    FAILS(sigtimedwait(&one, &si, &none), EAGAIN);
    t_reap(child);
    t_pass();
}
