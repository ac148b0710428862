// needs: any; names: any; row: "Memory: pages shared copy-on-write between parent and child (kept shared)"
// Pages shared copy-on-write by a parent and three children: contents, isolation, and still shared (private memory stays small).
#include "harness.h"
static long private_kb(void) { return atol(t_field("/proc/self/smaps_rollup", "Private_Dirty")); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    size_t len = 16 << 20;
    char *m = t_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    t_fill(m, len, 1);
    pid_t kids[3];
    for (int k = 0; k < 3; k++) {
        kids[k] = t_fork();
        if (kids[k]) continue;
        t_fill(m + k * PAGE, PAGE, 10 + k);
        t_mark(t_text("child%d", k));
        t_wait();
        t_same(m + k * PAGE, PAGE, 10 + k);
        char *whole = malloc(len);
        t_fill(whole, len, 1);
        MEMEQ(m + 3 * PAGE, whole + 3 * PAGE, len - 3 * PAGE);
        free(whole);
        long mine = private_kb();
        if (mine > 8 << 10) FAIL("pages are no longer shared: %ld kB private", mine);
        t_fill(m, len, 20 + k);
        t_mark(t_text("done%d", k));
        t_await("checked");
        t_same(m, len, 20 + k);
        _exit(0);
    }
    for (int k = 0; k < 3; k++) t_await(t_text("child%d", k));
    t_go();
    for (int k = 0; k < 3; k++) t_await(t_text("done%d", k));
    t_same(m, len, 1);
    t_mark("checked");
    for (int k = 0; k < 3; k++) t_reap(kids[k]);
    t_pass();
}
