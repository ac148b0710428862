// needs: any; names: any; row: "Process: rlimits"
// Lowered soft and hard limits of every kind, different in a child.
#include "harness.h"
static void lower(int kind, int by) {
    struct rlimit r;
    OK(getrlimit(kind, &r));
    rlim_t top = r.rlim_max == RLIM_INFINITY ? 1ul << 40 : r.rlim_max;
    if (top < 64) return;
    r.rlim_max = top - by;
    r.rlim_cur = kind == RLIMIT_RTTIME || kind == RLIMIT_CPU ? 1 << 20 : r.rlim_max - by;
    if (r.rlim_cur > r.rlim_max) r.rlim_cur = r.rlim_max;
    OK(setrlimit(kind, &r));
}
static void get_all(struct rlimit *r) {
    for (int k = 0; k < RLIM_NLIMITS; k++) OK(getrlimit(k, &r[k]));
}
static void check_all(struct rlimit *r) {
    for (int k = 0; k < RLIM_NLIMITS; k++) {
        struct rlimit now;
        OK(getrlimit(k, &now));
        if (now.rlim_cur != r[k].rlim_cur || now.rlim_max != r[k].rlim_max)
            FAIL("limit %d: expected %lu %lu, actual %lu %lu", k, r[k].rlim_cur, r[k].rlim_max, now.rlim_cur, now.rlim_max);
    }
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct rlimit r[RLIM_NLIMITS];
    for (int k = 0; k < RLIM_NLIMITS; k++) lower(k, 2 + k);
    OK(setrlimit(RLIMIT_CORE, &(struct rlimit){4096, 8192}));
    pid_t pid = t_fork();
    if (!pid) {
        for (int k = 0; k < RLIM_NLIMITS; k++) lower(k, 1);
        get_all(r);
        t_mark("child");
        t_wait();
        check_all(r);
        _exit(0);
    }
    get_all(r);
    t_await("child");
    t_go();
    check_all(r);
    t_reap(pid);
    t_pass();
}
