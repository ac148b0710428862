// needs: any; names: any; huge: 12; row: "Memory: hugetlb"
// Memory of huge pages: private with a child's own copy, shared with it, without reservation, partly protected and never touched.
#include "harness.h"
#define HUGE (2ul << 20)
static char *map(size_t n, int flags) {
    char *m = mmap(NULL, n * HUGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);
    if (m == MAP_FAILED) FAIL("no huge pages: %s", strerror(errno));
    return m;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *private = map(3, MAP_PRIVATE), *shared = map(2, MAP_SHARED), *lazy = map(2, MAP_PRIVATE | MAP_NORESERVE);
    t_fill(private, HUGE, 1), private[2 * HUGE + 5] = 'p';
    t_fill(shared + HUGE, HUGE, 2);
    lazy[HUGE] = 'l';
    OK(mprotect(private, HUGE, PROT_READ)), OK(madvise(lazy, 2 * HUGE, MADV_DONTFORK));
    pid_t pid = t_fork();
    if (!pid) {
        private[2 * HUGE + 5] = 'c';
        t_mark("child");
        t_wait();
        EQ(private[2 * HUGE + 5], 'c');
        t_same(private, HUGE, 1), t_same(shared + HUGE, HUGE, 2);
        shared[0] = 's';
        _exit(0);
    }
    t_await("child");
    t_go();
    t_same(private, HUGE, 1), t_same(shared + HUGE, HUGE, 2);
    EQ(private[2 * HUGE + 5], 'p'), EQ(private[HUGE], 0), EQ(lazy[HUGE], 'l'), EQ(lazy[0], 0);
    t_reap(pid);
    EQ(shared[0], 's');
    char *parts[] = {private, private + HUGE, shared, lazy};
    for (int i = 0; i < 4; i++) {
        t_vma v;
        CHECK(t_vma_at(parts[i], &v)), CHECK(strstr(v.flags, " ht"));
        STREQ(v.perms, i == 0 ? "r--p" : i == 2 ? "rw-s" : "rw-p");
    }
    t_pass();
}
