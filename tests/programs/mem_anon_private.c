// needs: any; names: any; row: "Memory: private anonymous"
// Private anonymous memory, written in part: contents, the untouched rest reads zero, and a write after is private to the child.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    size_t len = 3 << 20;
    char *a = t_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(a, 1 << 20, 1);
    a[len - 1] = 77;
    t_go();
    t_same(a, 1 << 20, 1);
    for (size_t i = 1 << 20; i < len - 1; i++)
        if (a[i]) FAIL("untouched byte %zu is %d", i, a[i]);
    EQ(a[len - 1], 77);
    pid_t pid = t_fork();
    if (!pid) {
        t_fill(a, len, 9);
        _exit(0);
    }
    t_reap(pid);
    t_same(a, 1 << 20, 1);
    t_vma v;
    CHECK(t_vma_at(a, &v));
    STREQ(v.perms, "rw-p");
    STREQ(v.path, "");
    t_pass();
}
