// needs: any; names: any; row: "Memory: private anonymous"
// Transparent huge pages asked for, written whole and in part, split by mprotect.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    size_t len = 16 << 20;
    char *m = t_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    madvise(m, len, MADV_HUGEPAGE);
    t_fill(m, 6 << 20, 1);
    m[9 << 20] = 3;
    OK(mprotect(m + (3 << 20), PAGE, PROT_READ));
    t_go();
    t_same(m, 6 << 20, 1);
    EQ(m[9 << 20], 3);
    for (size_t i = 6 << 20; i < len; i++)
        if (m[i] && i != 9 << 20) FAIL("byte %zu is %d", i, m[i]);
    t_pass();
}
