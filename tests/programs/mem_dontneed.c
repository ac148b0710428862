// needs: any; names: any; row: "Memory: private file (written pages only)"
// MADV_DONTNEED after the go signal yields zeroes in anonymous memory and file contents in private file memory.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *a = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    int fd = t_make_file("f", 4 * PAGE, 1);
    char *f = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    t_fill(a, 8 * PAGE, 2);
    t_fill(f, 4 * PAGE, 3);
    t_go();
    t_same(f, 4 * PAGE, 3);
    OK(madvise(f, 4 * PAGE, MADV_DONTNEED));
    t_same(f, 4 * PAGE, 1);
    t_same(a, 8 * PAGE, 2);
    OK(madvise(a, 8 * PAGE, MADV_DONTNEED));
    for (size_t i = 0; i < 8 * PAGE; i++) EQ(a[i], 0);
    t_pass();
}
