// needs: any; names: any; row: "Memory: pages shared copy-on-write between parent and child (kept shared)"
// A child's written pages differ from its parent's; contents only (whether they stay shared is mem_cow's).
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    size_t len = 1 << 20;
    char *m = t_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, len, 1);
    pid_t pid = t_fork();
    if (!pid) {
        t_fill(m + len / 2, PAGE, 2);
        OK(madvise(m + len / 2 + PAGE, PAGE, MADV_DONTNEED));
        t_mark("child");
        t_wait();
        t_same(m, len / 2, 1);
        t_same(m + len / 2, PAGE, 2);
        for (size_t i = 0; i < PAGE; i++) EQ(m[len / 2 + PAGE + i], 0);
        m[0] = 9;
        _exit(0);
    }
    t_await("child");
    t_fill(m + 4 * PAGE, PAGE, 3);
    t_fill(m + 4 * PAGE, PAGE, 1);
    t_go();
    t_reap(pid);
    char *want = malloc(len);
    t_fill(want, len, 1);
    for (size_t i = 0; i < PAGE; i++) want[4 * PAGE + i] = t_byte(i, 1);
    MEMEQ(m, want, len);
    t_pass();
}
