// needs: any; names: any; row: "Memory: stack with guard and growth"
// A MAP_GROWSDOWN mapping of the program's own keeps growing.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *space = t_map(512 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    OK(munmap(space, 512 * PAGE));
    char *m = OK(mmap(space + 500 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
    t_fill(m, 4 * PAGE, 1);
    m[-1] = 5;
    t_go();
    t_same(m, 4 * PAGE, 1);
    EQ(m[-1], 5);
    for (int i = 2; i < 100; i++) m[-i * (long)PAGE] = i;
    for (int i = 2; i < 100; i++) EQ(m[-i * (long)PAGE], i);
    t_pass();
}
