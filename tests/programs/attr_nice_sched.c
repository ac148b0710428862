// needs: any; names: any; row: "Task: scheduling policy, priority, nice, affinity, timer slack, io priority"
// Niceness, SCHED_BATCH, SCHED_IDLE, reset-on-fork, io priority, timer slack and affinity, different in threads.
#include "harness.h"
#include <sys/prctl.h>
#define IOPRIO(class, data) ((class) << 13 | (data))
static void *run(void *u) {
    pid_t tid = gettid();
    struct sched_param p = {0};
    OK(sched_setscheduler(0, SCHED_IDLE, &p));
    OK(setpriority(PRIO_PROCESS, tid, 19));
    OK(syscall(SYS_ioprio_set, 1, 0, IOPRIO(3, 0)));
    OK(prctl(PR_SET_TIMERSLACK, 123456));
    cpu_set_t one, got;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    OK(sched_setaffinity(0, sizeof one, &one));
    t_mark("thread");
    t_wait();
    EQ(sched_getscheduler(0), SCHED_IDLE);
    EQ(getpriority(PRIO_PROCESS, tid), 19);
    EQ(syscall(SYS_ioprio_get, 1, 0), IOPRIO(3, 0));
    EQ(prctl(PR_GET_TIMERSLACK), 123456);
    OK(sched_getaffinity(0, sizeof got, &got));
    EQ(CPU_COUNT(&got), 1);
    CHECK(CPU_ISSET(0, &got));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    cpu_set_t all, now;
    OK(sched_getaffinity(0, sizeof all, &all));
    struct sched_param p = {0};
    OK(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p));
    int level = getpriority(PRIO_PROCESS, 0) + 2;
    OK(setpriority(PRIO_PROCESS, 0, level));
    OK(syscall(SYS_ioprio_set, 1, 0, IOPRIO(2, 6)));
    OK(prctl(PR_SET_TIMERSLACK, 777777));
    t_go();
    EQ(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
    EQ(getpriority(PRIO_PROCESS, 0), level);
    EQ(syscall(SYS_ioprio_get, 1, 0), IOPRIO(2, 6));
    EQ(prctl(PR_GET_TIMERSLACK), 777777);
    OK(sched_getaffinity(0, sizeof now, &now));
    CHECK(CPU_EQUAL(&all, &now));
    PT(pthread_join(t, NULL));
    t_pass();
}
