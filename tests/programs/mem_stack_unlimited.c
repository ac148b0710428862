// needs: any; names: any; row: "Memory: stack with guard and growth, brk heap, PROT_NONE reservations, vdso/vvar"
// A program executed with an unlimited stack (its mappings grow upwards), or without randomness, grows stack and heap on.
#include "harness.h"
#include <sys/personality.h>
static int __attribute__((noinline)) deep(int n) {
    volatile char frame[1000];
    frame[n % 1000] = n;
    return n ? deep(n - 1) + frame[n % 1000] * 0 + 1 : 0;
}
int main(int argc, char **argv) {
    if (!getenv("AGAIN")) {
        struct rlimit l;
        getrlimit(RLIMIT_STACK, &l);
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_STACK, &l);
        personality(ADDR_NO_RANDOMIZE);
        setenv("AGAIN", "1", 1);
        execv("/proc/self/exe", argv);
        _exit(9);
    }
    t_start(argc, argv);
    EQ(deep(500), 500);
    t_ready();
    void *was = sbrk(0);
    t_wait();
    EQ(personality(0xffffffff) & ADDR_NO_RANDOMIZE, ADDR_NO_RANDOMIZE);
    EQ(deep(20000), 20000);
    EQ((long)sbrk(0), (long)was);
    char *more = OK(sbrk(300000));
    t_fill(more, 300000, 1), t_same(more, 300000, 1);
    struct rlimit l;
    OK(getrlimit(RLIMIT_STACK, &l));
    EQ(l.rlim_cur, l.rlim_max);
    t_pass();
}
