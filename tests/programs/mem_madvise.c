// needs: any; names: any; row: "Memory: madvise flags (DONTFORK, DONTDUMP, MERGEABLE, HUGEPAGE, WIPEONFORK)"
// The advice of madvise shows in smaps and still acts on fork.
#include "harness.h"
static const struct {
    int advice;
    const char *flag;
} kinds[] = {{MADV_DONTFORK, " dc"}, {MADV_DONTDUMP, " dd"}, {MADV_MERGEABLE, " mg"}, {MADV_HUGEPAGE, " hg"},
             {MADV_NOHUGEPAGE, " nh"}, {MADV_WIPEONFORK, " wf"}, {MADV_SEQUENTIAL, " sr"}, {MADV_RANDOM, " rr"}};
#define N ((int)(sizeof kinds / sizeof *kinds))
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *m[N];
    bool have[N];
    for (int i = 0; i < N; i++) {
        t_map(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS); // keeps neighbours from merging
        m[i] = t_map(4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        have[i] = madvise(m[i], 4 << 20, kinds[i].advice) == 0;
        if (!have[i]) EQ(errno, EINVAL);
        t_fill(m[i], 2 * PAGE, i);
    }
    CHECK(have[0] && have[1] && have[5] && have[6] && have[7]);
    t_go();
    for (int i = 0; i < N; i++) {
        t_vma v;
        CHECK(t_vma_at(m[i], &v));
        if (have[i] && !strstr(v.flags, kinds[i].flag)) FAIL("advice%s lost: %s", kinds[i].flag, v.flags);
        if (have[i] && (i == 3) != !!strstr(v.flags, " hg")) FAIL("advice hg appeared: %s", v.flags);
        t_same(m[i], 2 * PAGE, i);
    }
    pid_t pid = t_fork();
    if (!pid) {
        t_vma v;
        CHECK(!t_vma_at(m[0], &v));
        EQ(m[5][0], 0);
        EQ(m[5][PAGE + 1], 0);
        t_same(m[1], 2 * PAGE, 1);
        _exit(0);
    }
    t_reap(pid);
    t_pass();
}
