// needs: any; names: any; slow; row: "Memory: private anonymous"
// 60,000 mappings.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    const long n = 60000;
    char *m = t_map(n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    for (long i = 0; i < n; i += 7) *(long *)(m + i * PAGE) = i;
    for (long i = 1; i < n; i += 2) OK(mprotect(m + i * PAGE, PAGE, PROT_READ));
    t_go();
    for (long i = 0; i < n; i++) EQ(*(long *)(m + i * PAGE), i % 7 ? 0 : i);
    OK(mprotect(m, n * PAGE, PROT_READ | PROT_WRITE));
    t_pass();
}
