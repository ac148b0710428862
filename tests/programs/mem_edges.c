// needs: any; names: any; row: "Memory: private anonymous"
// Mappings at the ends of the address space: as low as is allowed, and up to the last byte.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *low = OK(mmap((void *)0x10000, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    char *high = OK(mmap((void *)(0x7ffffffff000 - PAGE), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    char *shared = OK(mmap((void *)0x40000, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    t_fill(low, 2 * PAGE, 1), t_fill(high, PAGE, 2), t_fill(shared, PAGE, 3);
    char *below = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT);
    t_fill(below, PAGE, 4);
    t_go();
    t_same(low, 2 * PAGE, 1), t_same(high, PAGE, 2), t_same(shared, PAGE, 3), t_same(below, PAGE, 4);
    t_pass();
}
