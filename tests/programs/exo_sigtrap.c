// needs: any; names: any; row: "Process: handlers and flags of 64 signals"
// A program that executes int3 itself: its SIGTRAP handler runs, before and after.
#include "harness.h"
static volatile int hits;
static void handler(int s) { hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGTRAP, handler);
    __asm__ volatile("int3");
    EQ(hits, 1);
    sigset_t s;
    sigfillset(&s), sigdelset(&s, SIGTRAP);
    OK(sigprocmask(SIG_SETMASK, &s, NULL));
    t_go();
    __asm__ volatile("int3");
    EQ(hits, 2);
    OK(raise(SIGTRAP));
    EQ(hits, 3);
    t_pass();
}
