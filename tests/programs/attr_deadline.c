// needs: root; names: any; row: "Task: scheduling policy, priority, nice, affinity, timer slack, io priority"; profile: none
// SCHED_DEADLINE with its runtime, deadline and period, in a thread.
#include "harness.h"
typedef struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} t_attr;
static void *run(void *u) {
    t_attr want = {sizeof want, 6, 0, 0, 0, 5000000, 40000000, 100000000}, got = {0};
    OK(syscall(SYS_sched_setattr, 0, &want, 0));
    t_mark("thread");
    t_wait();
    OK(syscall(SYS_sched_getattr, 0, &got, sizeof got, 0));
    EQ(got.policy, 6);
    EQ(got.runtime, want.runtime);
    EQ(got.deadline, want.deadline);
    EQ(got.period, want.period);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    t_go();
    EQ(sched_getscheduler(0), SCHED_OTHER);
    PT(pthread_join(t, NULL));
    t_pass();
}
