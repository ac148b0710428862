// needs: any; names: any; row: "Memory: madvise flags, mlock, guard pages, hugetlb"
// Memory locked as it is touched (mlock2, MLOCK_ONFAULT), locked and unlocked in part, of a file and shared.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *a = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), *s = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    int fd = t_make_file("f", 2 * PAGE, 1);
    char *f = OK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    OK(syscall(SYS_mlock2, a, 8 * PAGE, 1)), OK(munlock(a + 4 * PAGE, PAGE)), OK(mlock(s, 2 * PAGE)), OK(mlock(f, PAGE));
    a[0] = 'a';
    t_go();
    EQ(a[0], 'a');
    t_vma v;
    CHECK(t_vma_at(a, &v)), CHECK(strstr(v.flags, " lo")), CHECK(v.rss_kb <= 4 * 4);
    CHECK(t_vma_at(a + 4 * PAGE, &v)), CHECK(!strstr(v.flags, " lo"));
    CHECK(t_vma_at(a + 5 * PAGE, &v)), CHECK(strstr(v.flags, " lo"));
    CHECK(t_vma_at(s, &v)), CHECK(strstr(v.flags, " lo")), CHECK(t_vma_at(s + 2 * PAGE, &v)), CHECK(!strstr(v.flags, " lo"));
    CHECK(t_vma_at(f, &v)), CHECK(strstr(v.flags, " lo"));
    t_pass();
}
