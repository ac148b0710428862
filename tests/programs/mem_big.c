// needs: any; names: any; row: "Memory: private anonymous"
// 64 MB of pattern and a data segment, a bss and a stack frame of 1 MB each.
#include "harness.h"
static char data[1 << 20] = {1}, bss[1 << 20];
int main(int argc, char **argv) {
    t_start(argc, argv);
    char stack[1 << 20];
    char *a = t_map(64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(a, 64 << 20, 1);
    t_fill(data, sizeof data, 2);
    t_fill(bss, sizeof bss, 3);
    t_fill(stack, sizeof stack, 4);
    t_go();
    t_same(a, 64 << 20, 1);
    t_same(data, sizeof data, 2);
    t_same(bss, sizeof bss, 3);
    t_same(stack, sizeof stack, 4);
    t_pass();
}
