// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// 500 queued real-time signals of three numbers, delivered to a handler in the order the kernel promises.
#include "harness.h"
static int last[3] = {-1, -1, -1}, total;
static void handler(int s, siginfo_t *si, void *c) {
    int k = s - SIGRTMIN - 3;
    if (si->si_value.sival_int != last[k] + 1) FAIL("signal %d: value %d after %d", s, si->si_value.sival_int, last[k]);
    last[k]++;
    total++;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t set, old;
    sigemptyset(&set);
    for (int k = 0; k < 3; k++) {
        struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
        sigfillset(&a.sa_mask);
        OK(sigaction(SIGRTMIN + 3 + k, &a, NULL));
        sigaddset(&set, SIGRTMIN + 3 + k);
    }
    OK(sigprocmask(SIG_BLOCK, &set, &old));
    for (int i = 0; i < 500; i++) OK(sigqueue(getpid(), SIGRTMIN + 3 + i % 3, (union sigval){.sival_int = i / 3}));
    t_go();
    OK(sigprocmask(SIG_SETMASK, &old, NULL));
    EQ(total, 500);
    EQ(last[0], 166);
    EQ(last[1], 166);
    EQ(last[2], 165);
    t_pass();
}
