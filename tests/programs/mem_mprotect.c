// needs: any; names: any; row: "Memory: private anonymous"
// One mapping split by mprotect into every combination of permissions, contents and permissions as before.
#include "harness.h"
static const int prots[] = {PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_EXEC, PROT_READ | PROT_EXEC,
                            PROT_READ | PROT_WRITE | PROT_EXEC};
#define N ((int)(sizeof prots / sizeof *prots))
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *m = t_map(3 * N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, 3 * N * PAGE, 1);
    // int add(int a) { return a + 42; }
    static const unsigned char code[] = {0x8d, 0x47, 0x2a, 0xc3};
    memcpy(m + 5 * 3 * PAGE, code, sizeof code);
    for (int i = 0; i < N; i++) OK(mprotect(m + i * 3 * PAGE, 3 * PAGE, prots[i]));
    t_go();
    for (int i = 0; i < N; i++) {
        t_vma v;
        CHECK(t_vma_at(m + i * 3 * PAGE, &v));
        EQ(v.perms[0] == 'r', !!(prots[i] & PROT_READ));
        EQ(v.perms[1] == 'w', !!(prots[i] & PROT_WRITE));
        EQ(v.perms[2] == 'x', !!(prots[i] & PROT_EXEC));
        EQ(v.perms[3], 'p');
        EQ(v.end - v.start, 3 * PAGE);
    }
    int (*add)(int) = (void *)(m + 5 * 3 * PAGE);
    EQ(add(1), 43);
    OK(mprotect(m, 3 * N * PAGE, PROT_READ | PROT_WRITE));
    unsigned char want[sizeof code];
    for (size_t i = 0; i < sizeof code; i++) want[i] = t_byte(5 * 3 * PAGE + i, 1);
    memcpy(m + 5 * 3 * PAGE, want, sizeof want);
    t_same(m, 3 * N * PAGE, 1);
    t_pass();
}
