// needs: any; names: any; row: "Task: rseq"
// Threads that registered rseq areas themselves, by the raw call, with a signature of their own (the C library's is off); one has none.
#include "harness.h"
#include <linux/rseq.h>
struct area { char bytes[32]; } __attribute__((aligned(32)));
static __thread struct area mine;
static void *run(void *arg) {
    struct rseq *r = (void *)&mine;
    if (arg) OK(syscall(SYS_rseq, r, 32, 0, 0x1badcafe));
    t_mark(arg ? "with" : "without");
    t_wait();
    if (arg) {
        for (int i = 0; i < 200; i++) {
            sched_yield();
            CHECK(r->cpu_id < 4096), EQ(r->cpu_id_start, r->cpu_id);
        }
        r->cpu_id = 0xffffff;
        t_ms(20);
        for (int i = 0; i < 200 && r->cpu_id == 0xffffff; i++) t_ms(5);
        CHECK(r->cpu_id != 0xffffff);
        FAILS(syscall(SYS_rseq, r, 32, 1, 0xbad), EPERM);
        OK(syscall(SYS_rseq, r, 32, 1, 0x1badcafe));
    } else FAILS(syscall(SYS_rseq, r, 32, 1, 0x1badcafe), EINVAL);
    return NULL;
}
int main(int argc, char **argv) {
    if (!getenv("AGAIN")) {
        setenv("AGAIN", "1", 1), setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
        execv("/proc/self/exe", argv);
        _exit(9);
    }
    t_start(argc, argv);
    pthread_t a = t_thread(run, 0), b = t_thread(run, 1);
    t_await("with"), t_await("without");
    t_go();
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_pass();
}
