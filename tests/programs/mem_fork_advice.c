// needs: any; names: any; row: "Memory: madvise flags (DONTFORK, DONTDUMP, MERGEABLE, HUGEPAGE, WIPEONFORK)"
// What fork hands on or not: advice given before holds for children made after; names of mappings (PR_SET_VMA_ANON_NAME).
#include "harness.h"
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *m = t_map(9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, 9 * PAGE, 1);
    OK(madvise(m + PAGE, PAGE, MADV_DONTFORK)), OK(madvise(m + 3 * PAGE, PAGE, MADV_WIPEONFORK));
    OK(madvise(m + 5 * PAGE, PAGE, MADV_DONTFORK)), OK(madvise(m + 5 * PAGE, PAGE, MADV_DOFORK));
    OK(madvise(m + 7 * PAGE, PAGE, MADV_WIPEONFORK)), OK(madvise(m + 7 * PAGE, PAGE, MADV_KEEPONFORK));
    bool named = prctl(0x53564d41, 0, m + 8 * PAGE, PAGE, "a name: of [it]!") == 0;
    t_go();
    t_same(m, 9 * PAGE, 1);
    pid_t pid = t_fork();
    if (!pid) {
        EQ(m[0], (char)t_byte(0, 1)), EQ(m[3 * PAGE], 0), EQ(m[5 * PAGE + 1], (char)t_byte(5 * PAGE + 1, 1));
        EQ(m[7 * PAGE + 1], (char)t_byte(7 * PAGE + 1, 1));
        unsigned char there;
        FAILS(mincore(m + PAGE, PAGE, &there), ENOMEM);
        _exit(0);
    }
    t_reap(pid);
    t_vma v;
    CHECK(t_vma_at(m + 8 * PAGE, &v));
    if (named) CHECK(strstr(v.path, "a name: of") || errno);
    t_pass();
}
