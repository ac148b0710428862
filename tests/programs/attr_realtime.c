// needs: root; names: any; row: "Task: scheduling policy, priority, nice, affinity, timer slack, io priority"; profile: none
// SCHED_RR and SCHED_FIFO priorities of threads, a negative niceness.
#include "harness.h"
static void *run(void *arg) {
    long i = (long)arg;
    struct sched_param p = {.sched_priority = 3 + i};
    PT(pthread_setschedparam(pthread_self(), i ? SCHED_RR : SCHED_FIFO, &p));
    t_mark(t_text("t%ld", i));
    t_wait();
    EQ(sched_getscheduler(0), i ? SCHED_RR : SCHED_FIFO);
    OK(sched_getparam(0, &p));
    EQ(p.sched_priority, 3 + i);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[2] = {t_thread(run, 0), t_thread(run, 1)};
    t_await("t0"), t_await("t1");
    OK(setpriority(PRIO_PROCESS, 0, -9));
    t_go();
    EQ(getpriority(PRIO_PROCESS, 0), -9);
    EQ(sched_getscheduler(0), SCHED_OTHER);
    PT(pthread_join(t[0], NULL)), PT(pthread_join(t[1], NULL));
    t_pass();
}
