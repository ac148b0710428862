// needs: any; names: any; row: "Memory: guard pages"
// MADV_GUARD_INSTALL (Linux 6.13) inside a mapping: still fatal to touch, removable.
#include "harness.h"
#include <setjmp.h>
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
static sigjmp_buf back;
static void fault(int sig) { siglongjmp(back, 1); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGSEGV, fault);
    char *m = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, 8 * PAGE, 1);
    if (madvise(m + 3 * PAGE, PAGE, MADV_GUARD_INSTALL)) {
        EQ(errno, EINVAL); // an older kernel: nothing to show
        t_go();
        t_pass();
    }
    t_go();
    t_same(m, 3 * PAGE, 1);
    volatile int faulted = 0;
    if (sigsetjmp(back, 1)) faulted = 1;
    else m[3 * PAGE] = 1;
    EQ(faulted, 1);
    OK(madvise(m + 3 * PAGE, PAGE, MADV_GUARD_REMOVE));
    EQ(m[3 * PAGE], 0);
    m[3 * PAGE] = 1;
    t_pass();
}
