// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// Five signal frames deep, each with floating point state of its own; returning through all of them.
#include "harness.h"
static int depth, unwound;
static void handler(int s) {
    volatile double d = 1.0 / (depth + 3);
    int mine = ++depth;
    if (mine < 5) OK(raise(SIGUSR1));
    else t_go();
    if (d != 1.0 / (mine + 2)) FAIL("frame %d damaged", mine);
    EQ(unwound, 5 - mine);
    unwound++;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    OK(sigaction(SIGUSR1, &a, NULL));
    register double x __asm__("xmm9") = 0.125;
    __asm__ volatile("" : "+x"(x));
    OK(kill(getpid(), SIGUSR1));
    EQ(unwound, 5);
    t_pass();
}
