// needs: any; names: any; row: "Task: scheduling policy, priority, nice, affinity, timer slack, io priority"
// Threads, each with a nice value, policy, affinity, I/O priority, slack, utilization clamp and name of its own.
#include "harness.h"
#include <sys/prctl.h>
struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint32_t min, max; };
static int base; // of who started the program
static void *run(void *arg) {
    long i = (long)arg;
    char name[16];
    snprintf(name, 16, "t)\n(%ld \xff\x01", i);
    OK(prctl(PR_SET_NAME, name));
    struct attr a = {.size = sizeof a, .policy = i % 3 == 0 ? SCHED_OTHER : i % 3 == 1 ? SCHED_BATCH : SCHED_IDLE, .nice = base + 1 + (int)i, .flags = i % 2 /* reset on fork */}, now;
    OK(syscall(SYS_sched_setattr, 0, &a, 0));
    struct attr clamp = a;
    clamp.flags |= 0x60, clamp.min = 100 + i, clamp.max = 900 + i;
    bool clamped = syscall(SYS_sched_setattr, 0, &clamp, 0) == 0;
    OK(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0)); // SCHED_IDLE takes no nice value
    cpu_set_t set, got;
    CPU_ZERO(&set);
    CPU_SET(i % 2 && sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0, &set);
    bool bound = sched_setaffinity(0, sizeof set, &set) == 0;
    OK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | i));
    OK(prctl(PR_SET_TIMERSLACK, 70000 + i));
    t_mark(t_text("t%ld", i));
    t_wait();
    char b[17] = {0};
    OK(prctl(PR_GET_NAME, b));
    STREQ(b, name);
    OK(syscall(SYS_sched_getattr, 0, &now, sizeof now, 0));
    EQ(now.policy, a.policy), EQ(now.nice, a.nice), EQ(now.flags & 1, a.flags & 1);
    if (clamped) EQ(now.min, 100 + i), EQ(now.max, 900 + i);
    OK(sched_getaffinity(0, sizeof got, &got));
    if (bound) CHECK(CPU_EQUAL(&set, &got));
    EQ(OK(syscall(SYS_ioprio_get, 1, 0)), 2 << 13 | i);
    EQ(prctl(PR_GET_TIMERSLACK), 70000 + i);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    base = getpriority(PRIO_PROCESS, 0);
    OK(prctl(PR_SET_NAME, "\n"));
    pthread_t t[6];
    for (long i = 0; i < 6; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 6; i++) t_await(t_text("t%d", i));
    t_go();
    char b[17] = {0};
    OK(prctl(PR_GET_NAME, b));
    STREQ(b, "\n");
    EQ(getpriority(PRIO_PROCESS, 0), base);
    for (int i = 0; i < 6; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
