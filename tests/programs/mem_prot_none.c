// needs: any; names: any; row: "Memory: PROT_NONE reservations"
// A large PROT_NONE reservation, one inside with data under it: still inaccessible, still reserved, data back when allowed.
#include "harness.h"
#include <setjmp.h>
static sigjmp_buf back;
static void fault(int sig, siginfo_t *info, void *context) { siglongjmp(back, info->si_code); }
static int touch(char *at) {
    int code = sigsetjmp(back, 1);
    if (!code) {
        *(volatile char *)at;
        return 0;
    }
    return code;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction sa = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGSEGV, &sa, NULL));
    size_t huge = 64ul << 30;
    char *r = t_map(huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    char *m = t_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, 16 * PAGE, 1);
    OK(mprotect(m + 4 * PAGE, 4 * PAGE, PROT_NONE));
    t_go();
    EQ(touch(r), SEGV_ACCERR);
    EQ(touch(r + huge - 1), SEGV_ACCERR);
    EQ(touch(m + 4 * PAGE), SEGV_ACCERR);
    EQ(touch(m), 0);
    OK(mprotect(m + 4 * PAGE, 4 * PAGE, PROT_READ));
    t_same(m, 16 * PAGE, 1);
    OK(mprotect(r + (1ul << 30), PAGE, PROT_READ | PROT_WRITE));
    r[1ul << 30] = 1;
    EQ(r[1ul << 30], 1);
    t_vma v;
    CHECK(t_vma_at(r, &v));
    STREQ(v.perms, "---p");
    CHECK(strstr(v.flags, " nr"));
    t_pass();
}
