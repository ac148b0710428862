// needs: root; names: any; expect: huge; row: "Memory: hugetlb"
// A mapping of huge pages (from the kernel's pool).
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *m = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) FAIL("no huge pages: %s", strerror(errno));
    t_go();
    t_vma v;
    CHECK(t_vma_at(m, &v));
    CHECK(strstr(v.flags, " ht"));
    t_pass();
}
