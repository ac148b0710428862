// needs: any; names: any; row: "Memory: private anonymous"
// Mappings torn apart by mremap: parts of shared ones elsewhere and in other order, duplicates, MREMAP_DONTUNMAP, pages out of order.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *s = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    t_fill(s, 8 * PAGE, 1);
    char *there = t_map(8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    for (int i = 0; i < 4; i++) OK(mremap(s + (2 * i + 1) * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there + (6 - 2 * i) * PAGE));
    char *twin = OK(mremap(s + 2 * PAGE, 0, PAGE, MREMAP_MAYMOVE));
    char *p = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(p, 4 * PAGE, 2);
    char *moved = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */);
    int fd = t_make_file("f", 6 * PAGE, 3);
    char *f = OK(mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    OK(remap_file_pages(f, 2 * PAGE, 0, 4, 0));
    char *grown = OK(mremap(f + 3 * PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE));
    t_go();
    for (int i = 0; i < 4; i++) {
        char page[PAGE];
        for (size_t k = 0; k < PAGE; k++) page[k] = t_byte((2 * i + 1) * PAGE + k, 1);
        MEMEQ(there + (6 - 2 * i) * PAGE, page, PAGE);
    }
    twin[7] = 'z';
    EQ(s[2 * PAGE + 7], 'z');
    if (moved != MAP_FAILED) {
        t_same(moved, 4 * PAGE, 2);
        EQ(p[PAGE], 0);
    }
    EQ(f[10], (char)t_byte(4 * PAGE + 10, 3));
    f[PAGE + 10] = 'w';
    char b;
    OK(pread(fd, &b, 1, 5 * PAGE + 10));
    EQ(b, 'w');
    EQ(grown[PAGE + 10], (char)t_byte(4 * PAGE + 10, 3)), EQ(grown[2 * PAGE + 10], 'w');
    t_pass();
}
