// needs: any; names: any; row: "Process: handlers and flags of 64 signals"
// A different disposition, set of flags and mask for every signal.
#include "harness.h"
static void plain(int s) {}
static void info(int s, siginfo_t *i, void *c) {}
static const int flag_list[] = {SA_RESTART, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_NOCLDSTOP, SA_NOCLDWAIT};
static bool skip(int s) { return s == SIGKILL || s == SIGSTOP || s == 32 || s == 33; }
static void make(int s, struct sigaction *a) {
    memset(a, 0, sizeof *a);
    sigemptyset(&a->sa_mask);
    switch (s % 4) {
    case 0: a->sa_handler = SIG_IGN; break;
    case 1: a->sa_handler = plain; break;
    case 2: a->sa_sigaction = info, a->sa_flags = SA_SIGINFO; break;
    case 3: a->sa_handler = SIG_DFL; break;
    }
    if (s % 4 != 3) {
        for (int i = 0; i < 6; i++)
            if (s >> i & 1) a->sa_flags |= flag_list[i];
        for (int i = 1; i < 65; i++)
            if ((i * 7 + s) % 5 == 0 && !skip(i)) sigaddset(&a->sa_mask, i);
    }
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a, want;
    for (int s = 1; s < 65; s++)
        if (!skip(s)) make(s, &a), OK(sigaction(s, &a, NULL));
    t_go();
    for (int s = 1; s < 65; s++) {
        if (skip(s)) continue;
        OK(sigaction(s, NULL, &a));
        make(s, &want);
        if (a.sa_handler != want.sa_handler) FAIL("handler of %d: %p, not %p", s, a.sa_handler, want.sa_handler);
        if ((a.sa_flags & ~0x04000000) != want.sa_flags) FAIL("flags of %d: %#x, not %#x", s, a.sa_flags, want.sa_flags);
        for (int i = 1; i < 65; i++)
            if (sigismember(&a.sa_mask, i) != sigismember(&want.sa_mask, i)) FAIL("mask of %d differs at %d", s, i);
    }
    t_pass();
}
