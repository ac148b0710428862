// needs: any; names: any; row: "Process: handlers and flags of 64 signals"
// Dispositions of all 64 signals by the raw call, with every flag, restorers and masks, also of those the C library keeps for itself.
#include "harness.h"
struct raw {
    unsigned long handler, flags, restorer, mask;
};
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const unsigned long flags[] = {SA_RESETHAND, SA_NODEFER, SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT, SA_ONSTACK, SA_SIGINFO, 0x800 /* SA_EXPOSE_TAGBITS */};
    struct raw was[65], now;
    for (int s = 1; s <= 64; s++) {
        if (s == SIGKILL || s == SIGSTOP || s == SIGTERM) continue;
        struct raw r = {s % 5 == 0 ? 1 : s % 7 == 0 ? 0 : 0x1000 + s, 0x04000000 | flags[s % 8] | flags[s / 8 % 8], 0x2000 + s, 0x0123456789abcdefull * s};
        OK(syscall(SYS_rt_sigaction, s, &r, NULL, 8));
    }
    for (int s = 1; s <= 64; s++) OK(syscall(SYS_rt_sigaction, s, NULL, &was[s], 8));
    t_go();
    for (int s = 1; s <= 64; s++) {
        OK(syscall(SYS_rt_sigaction, s, NULL, &now, 8));
        EQ(now.handler, was[s].handler), EQ(now.flags, was[s].flags), EQ(now.restorer, was[s].restorer), EQ(now.mask, was[s].mask);
    }
    t_pass();
}
