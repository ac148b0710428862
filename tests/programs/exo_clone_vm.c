// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// Two processes that share memory but are no threads (CLONE_VM): a write of one is seen by the other.
#include "harness.h"
static volatile int word = 1;
static char stack[65536] __attribute__((aligned(16)));
static int run(void *arg) {
    word = 2;
    while (word != 3) t_ms(5);
    word = 4;
    return 11;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = OK(clone(run, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    while (word != 2) t_ms(5);
    t_go();
    EQ(word, 2);
    word = 3;
    for (int i = 0; i < 400 && word != 4; i++) t_ms(5);
    EQ(word, 4);
    t_reap_at(__LINE__, pid, 11 << 8);
    t_pass();
}
