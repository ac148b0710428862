// needs: any; names: any; expect: perf; row: "Descriptors: bpf, perf (refuse)"; profile: none
// A performance counter.
#include "harness.h"
#include <linux/perf_event.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1, .exclude_hv = 1};
    int fd = OK(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
    t_go();
    uint64_t v;
    t_read(fd, &v, 8);
    t_pass();
}
