// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A stopped process with signals queued: real-time ones with values, for a thread of it, and a handler of SIGCONT.
#include "harness.h"
static volatile int order[16], n;
static void on(int sig, siginfo_t *si, void *c) { order[n++] = sig == SIGCONT ? 1000 : sig * 100 + si->si_value.sival_int; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
        sigfillset(&sa.sa_mask);
        OK(sigaction(SIGRTMIN, &sa, NULL)), OK(sigaction(SIGRTMIN + 1, &sa, NULL)), OK(sigaction(SIGCONT, &sa, NULL));
        t_mark("child");
        while (n < 6) t_ms(5);
        int at = 0, rt = SIGRTMIN;
        for (int i = 0; i < n; i++)
            if (order[i] != 1000) EQ(order[i], (at < 3 ? rt : rt + 1) * 100 + at % 3), at++;
        EQ(at, 5);
        _exit(0);
    }
    t_await("child");
    kill(pid, SIGSTOP);
    siginfo_t si;
    OK(waitid(P_PID, pid, &si, WSTOPPED));
    for (int i = 0; i < 2; i++) OK(sigqueue(pid, SIGRTMIN + 1, (union sigval){.sival_int = i}));
    for (int i = 0; i < 3; i++) OK(sigqueue(pid, SIGRTMIN, (union sigval){.sival_int = i}));
    t_go();
    t_ms(30);
    EQ(OK(waitid(P_PID, pid, &si, WEXITED | WNOHANG)), 0);
    kill(pid, SIGCONT);
    t_reap(pid);
    t_pass();
}
