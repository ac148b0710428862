// needs: any; names: any; row: "Memory: stack with guard and growth"
// The main stack still grows after the go signal, to far below where it was.
#include "harness.h"
static int deep(int n) {
    volatile char frame[8192];
    for (int i = 0; i < 8192; i += 64) frame[i] = n + i;
    int sum = n ? deep(n - 1) : 0;
    for (int i = 0; i < 8192; i += 64)
        if (frame[i] != (char)(n + i)) FAIL("frame %d damaged", n);
    return sum + 1;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    EQ(deep(20), 21);
    t_vma before, after;
    CHECK(t_vma_at(&argc, &before));
    t_go();
    CHECK(t_vma_at(&argc, &after));
    STREQ(after.path, "[stack]");
    EQ(after.end, before.end);
    CHECK(strstr(after.flags, " gd"));
    EQ(deep(600), 601);
    CHECK(t_vma_at(&argc, &after));
    CHECK(before.start - after.start > 3 << 20);
    t_pass();
}
