// needs: any; names: any; row: "Task: rseq"
// rseq registered by glibc in every thread: the area follows the processor, and is the registered one.
#include "harness.h"
#include <sys/rseq.h>
static volatile int stop;
static void look(void) {
    struct rseq *r = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
    if (!__rseq_size) return;
    cpu_set_t all, one;
    OK(sched_getaffinity(0, sizeof all, &all));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        OK(sched_setaffinity(0, sizeof one, &one));
        EQ(r->cpu_id, cpu);
        EQ(sched_getcpu(), cpu);
    }
    OK(sched_setaffinity(0, sizeof all, &all));
    FAILS(syscall(SYS_rseq, r, 32, 0, RSEQ_SIG), EBUSY);
}
static void *run(void *u) {
    t_wait();
    look();
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[3] = {t_thread(run, 0), t_thread(run, 0), t_thread(run, 0)};
    t_go();
    look();
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
