// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// All signals blocked, SIGTRAP and SIGSEGV ignored and pending: nothing of the checkpoint leaks into them.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t s, pending;
    sigfillset(&s);
    OK(sigprocmask(SIG_SETMASK, &s, NULL));
    signal(SIGSEGV, SIG_IGN);
    OK(kill(getpid(), SIGTRAP));
    t_go();
    OK(sigpending(&pending));
    for (int i = 1; i < 65; i++)
        if (i < 32 || i > 33) EQ(sigismember(&pending, i) == 1, i == SIGTRAP);
    t_pass();
}
