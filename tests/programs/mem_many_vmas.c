// needs: any; names: any; row: "Memory: private anonymous"
// 4,000 mappings of alternating permissions with a word of data each.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    const int n = 4000;
    char *m = t_map(n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    for (int i = 0; i < n; i++) *(int *)(m + i * PAGE) = i * 7;
    for (int i = 1; i < n; i += 2) OK(mprotect(m + i * PAGE, PAGE, PROT_READ));
    t_go();
    for (int i = 0; i < n; i++) EQ(*(int *)(m + i * PAGE), i * 7);
    FILE *f = fopen("/proc/self/maps", "r");
    char line[4096];
    int seen = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long s, e;
        char p[8];
        CHECK(sscanf(line, "%lx-%lx %7s", &s, &e, p) == 3);
        if (s < (unsigned long)m || s >= (unsigned long)(m + n * PAGE)) continue;
        seen++;
        EQ(e - s, PAGE);
        EQ(p[1] == 'w', (s - (unsigned long)m) / PAGE % 2 == 0);
    }
    EQ(seen, n);
    t_pass();
}
