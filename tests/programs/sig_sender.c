// needs: any; names: any; row: "Names: pid, tid, pgid, sid in every call, siginfo"
// After the go signal: si_pid in handlers for kill, sigqueue, tgkill and SIGCHLD names the processes the program knows.
#include "harness.h"
static volatile siginfo_t last[65];
static void handler(int s, siginfo_t *si, void *c) { memcpy((void *)&last[s], si, sizeof *si); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    int sigs[] = {SIGUSR1, SIGUSR2, SIGRTMIN, SIGCHLD};
    for (int i = 0; i < 4; i++) {
        struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
        OK(sigaction(sigs[i], &a, NULL));
    }
    pid_t child = t_fork();
    if (!child) {
        t_wait();
        OK(kill(getppid(), SIGUSR1));
        OK(sigqueue(getppid(), SIGRTMIN, (union sigval){.sival_int = 9}));
        OK(syscall(SYS_tgkill, getppid(), getppid(), SIGUSR2));
        _exit(33);
    }
    t_go();
    for (int i = 0; i < 500 && !last[SIGCHLD].si_pid; i++) t_ms(10);
    for (int i = 0; i < 4; i++) EQ(last[sigs[i]].si_pid, child);
    EQ(last[SIGUSR1].si_code, SI_USER);
    EQ(last[SIGUSR2].si_code, SI_TKILL);
    EQ(last[SIGRTMIN].si_code, SI_QUEUE);
    EQ(last[SIGRTMIN].si_value.sival_int, 9);
    EQ(last[SIGCHLD].si_code, CLD_EXITED);
    EQ(last[SIGCHLD].si_status, 33);
    t_reap_at(__LINE__, child, 33 << 8);
    t_pass();
}
