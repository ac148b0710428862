// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// clone(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND) without CLONE_THREAD: handlers set by one act in the other.
#include "harness.h"
static char stack[65536] __attribute__((aligned(16)));
static volatile int hits, state;
static pid_t child;
static void handler(int s) { hits++; }
static int run(void *u) {
    state = 1;
    while (state != 2) t_ms(5);
    signal(SIGUSR1, handler);
    OK(dup2(0, 123));
    state = 3;
    while (state != 4) t_ms(5);
    return 0;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    child = OK(clone(run, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, NULL));
    while (state != 1) t_ms(5);
    t_go();
    state = 2;
    for (int i = 0; i < 1000 && state != 3; i++) t_ms(5);
    EQ(state, 3);
    OK(kill(getpid(), SIGUSR1));
    EQ(hits, 1);
    OK(fcntl(123, F_GETFD));
    state = 4;
    t_reap(child);
    t_pass();
}
