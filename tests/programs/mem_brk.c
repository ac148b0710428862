// needs: any; names: any; row: "Memory: brk heap"
// The brk heap: contents, the current break, growing and shrinking it, malloc going on.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *start = sbrk(0);
    OK(sbrk(40 * PAGE + 12));
    t_fill(start, 40 * PAGE + 12, 1);
    char *now = sbrk(0);
    void *blocks[200];
    for (int i = 0; i < 200; i++) t_fill(blocks[i] = malloc(i * 31 + 1), i * 31 + 1, i);
    char *after = sbrk(0);
    t_go();
    EQ((long)sbrk(0), (long)after);
    t_same(start, now - start, 1);
    for (int i = 0; i < 200; i++) t_same(blocks[i], i * 31 + 1, i);
    for (int i = 0; i < 200; i++) free(blocks[i]);
    char *top = OK((char *)sbrk(8 * PAGE));
    t_fill(top, 8 * PAGE, 3);
    t_same(top, 8 * PAGE, 3);
    OK(sbrk(-8 * (long)PAGE));
    t_vma v;
    CHECK(t_vma_at(start, &v));
    STREQ(v.path, "[heap]");
    t_pass();
}
