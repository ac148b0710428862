// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// Checkpointed while running on the alternate signal stack, inside a handler, with the mask of the handler in force.
#include "harness.h"
static char stack[65536];
static int in_handler;
static void handler(int s) {
    char here;
    CHECK(&here > stack && &here < stack + sizeof stack);
    t_go();
    stack_t now;
    OK(sigaltstack(NULL, &now));
    EQ(now.ss_flags, SS_ONSTACK);
    EQ((long)now.ss_sp, (long)stack);
    sigset_t mask;
    OK(sigprocmask(SIG_SETMASK, NULL, &mask));
    EQ(sigismember(&mask, SIGUSR1), 1);
    EQ(sigismember(&mask, SIGWINCH), 1);
    EQ(sigismember(&mask, SIGUSR2), 0);
    in_handler = 1;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack}, now;
    OK(sigaltstack(&alt, NULL));
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaddset(&a.sa_mask, SIGWINCH);
    OK(sigaction(SIGUSR1, &a, NULL));
    OK(raise(SIGUSR1));
    EQ(in_handler, 1);
    OK(sigaltstack(NULL, &now));
    EQ(now.ss_flags, 0);
    sigset_t mask;
    OK(sigprocmask(SIG_SETMASK, NULL, &mask));
    EQ(sigismember(&mask, SIGUSR1), 0);
    t_pass();
}
