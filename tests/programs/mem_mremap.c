// needs: any; names: any; row: "Memory: private anonymous"
// Mappings moved and grown by mremap, before and after the go signal; a file mapping moved keeps its offset.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *a = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(a, 4 * PAGE, 1);
    char *target = t_map(64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    a = OK(mremap(a, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target));
    int fd = t_make_file("f", 8 * PAGE, 2);
    char *f = OK(mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
    f = OK(mremap(f + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 32 * PAGE));
    t_go();
    t_same(a, 4 * PAGE, 1);
    for (size_t i = 4 * PAGE; i < 8 * PAGE; i++) EQ(a[i], 0);
    a = OK(mremap(a, 8 * PAGE, 2 * PAGE, 0));
    a = OK(mremap(a, 2 * PAGE, 1000 * PAGE, MREMAP_MAYMOVE));
    t_same(a, 2 * PAGE, 1);
    t_vma v;
    CHECK(t_vma_at(f, &v));
    EQ(v.offset, 2 * PAGE);
    char want[4 * PAGE];
    t_fill(want, sizeof want, 2);
    MEMEQ(f, want + 2 * PAGE, 2 * PAGE);
    t_pass();
}
