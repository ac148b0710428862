// needs: any; names: any; row: "Task: clear_child_tid"
// pthread functions that need the kernel's id of a thread: kill, cancel, affinity, schedparam, cpu clock, join (clear_child_tid).
#include "harness.h"
static volatile sig_atomic_t hits;
static volatile pid_t hit_tid;
static void handler(int s) {
    hits++;
    hit_tid = gettid();
}
static volatile pid_t tid;
static void *run(void *unused) {
    tid = gettid();
    t_mark("thread");
    for (;;) pause();
    return NULL;
}
static void *leaves(void *unused) {
    t_wait();
    return (void *)5;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, handler);
    pthread_t a = t_thread(run, NULL), b = t_thread(leaves, NULL);
    t_await("thread");
    t_go();
    PT(pthread_kill(a, SIGUSR1));
    for (int i = 0; i < 500 && !hits; i++) t_ms(10);
    EQ(hits, 1);
    EQ(hit_tid, tid);
    OK(syscall(SYS_tgkill, getpid(), tid, SIGUSR1));
    for (int i = 0; i < 500 && hits < 2; i++) t_ms(10);
    EQ(hits, 2);
    EQ(hit_tid, tid);
    cpu_set_t set;
    PT(pthread_getaffinity_np(a, sizeof set, &set));
    CHECK(CPU_COUNT(&set) > 0);
    int policy;
    struct sched_param p;
    PT(pthread_getschedparam(a, &policy, &p));
    PT(pthread_setschedparam(a, SCHED_BATCH, &(struct sched_param){0}));
    EQ(sched_getscheduler(tid), SCHED_BATCH);
    clockid_t clock;
    PT(pthread_getcpuclockid(a, &clock));
    struct timespec ts;
    OK(clock_gettime(clock, &ts));
    char name[16];
    PT(pthread_setname_np(a, "renamed"));
    PT(pthread_getname_np(a, name, sizeof name));
    STREQ(name, "renamed");
    PT(pthread_cancel(a));
    void *result;
    PT(pthread_join(a, &result));
    CHECK(result == PTHREAD_CANCELED);
    PT(pthread_join(b, &result));
    EQ((long)result, 5);
    EQ(raise(SIGUSR1), 0);
    EQ(hits, 3);
    EQ(hit_tid, getpid());
    t_pass();
}
