// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// A child rains numbered real-time signals on its parent, which must see each number once and in order.
#include "harness.h"
static volatile long next, wrong = -1;
static void handler(int s, siginfo_t *si, void *c) {
    if (si->si_value.sival_int != next && wrong < 0) wrong = si->si_value.sival_int;
    next++;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(SIGRTMIN + 1, &a, NULL));
    int total = OK(open("total", O_CREAT | O_RDWR, 0600));
    pid_t parent = getpid(), pid = t_fork();
    if (!pid) {
        int n = 0;
        while (!t_exists("go") || n < 1000) {
            if (sigqueue(parent, SIGRTMIN + 1, (union sigval){.sival_int = n}) == 0) n++;
            else if (errno != EAGAIN) FAIL("sigqueue: %s", strerror(errno));
            if (n % 16 == 0) usleep(200);
        }
        EQ(pwrite(total, &n, sizeof n, 0), sizeof n);
        _exit(0);
    }
    t_go();
    t_reap(pid);
    int n;
    EQ(pread(total, &n, sizeof n, 0), sizeof n);
    if (wrong >= 0) FAIL("number %ld out of order", wrong);
    EQ(next, n);
    t_pass();
}
