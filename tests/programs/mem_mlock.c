// needs: any; names: any; row: "Memory: mlock"
// mlock, MLOCK_ONFAULT: the ranges stay locked.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *a = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    char *b = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    OK(mlock(a + 2 * PAGE, 3 * PAGE));
    OK(mlock2(b, 4 * PAGE, MLOCK_ONFAULT));
    b[0] = 1;
    t_fill(a, 8 * PAGE, 1);
    long locked = atol(t_status("VmLck"));
    t_go();
    EQ(atol(t_status("VmLck")), locked);
    t_vma v;
    CHECK(t_vma_at(a + 2 * PAGE, &v));
    CHECK(strstr(v.flags, " lo"));
    EQ(v.end - v.start, 3 * PAGE);
    EQ(v.locked_kb, 12);
    CHECK(t_vma_at(a, &v));
    CHECK(!strstr(v.flags, " lo"));
    CHECK(t_vma_at(b, &v));
    CHECK(strstr(v.flags, " lo"));
    t_same(a, 8 * PAGE, 1);
    t_pass();
}
