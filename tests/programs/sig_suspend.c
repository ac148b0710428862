// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in sigsuspend with a temporary mask; afterwards the old mask is back and the right handler ran.
#include "harness.h"
static volatile sig_atomic_t usr1, usr2;
static void one(int s) { usr1++; }
static void two(int s) { usr2++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, one);
    signal(SIGUSR2, two);
    sigset_t block, wait, now;
    sigemptyset(&block), sigaddset(&block, SIGUSR1), sigaddset(&block, SIGUSR2);
    OK(sigprocmask(SIG_SETMASK, &block, NULL));
    sigemptyset(&wait), sigaddset(&wait, SIGUSR2);
    OK(raise(SIGUSR2)); // stays pending: blocked by both masks
    pid_t k = t_kicker(kill(getppid(), SIGUSR1));
    t_ready();
    FAILS(sigsuspend(&wait), EINTR);
    EQ(usr1, 1);
    EQ(usr2, 0);
    OK(sigprocmask(SIG_SETMASK, NULL, &now));
    EQ(sigismember(&now, SIGUSR1), 1);
    EQ(sigismember(&now, SIGUSR2), 1);
    CHECK(t_exists("go"));
    sigemptyset(&block);
    OK(sigprocmask(SIG_SETMASK, &block, NULL));
    EQ(usr2, 1);
    t_reap(k);
    t_pass();
}
