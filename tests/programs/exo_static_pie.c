// needs: any; names: kernel; flags: -static-pie; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A static position-independent program with threads, a child and thread-local variables.
#include "harness.h"
static __thread int local = 5;
static void *run(void *arg) {
    local = (int)(long)arg;
    t_mark(t_text("t%d", local));
    t_wait();
    EQ(local, (long)arg);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t a = t_thread(run, 1), b = t_thread(run, 2);
    t_await("t1"), t_await("t2");
    pid_t own = getpid(), pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        EQ(getppid(), own);
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(local, 5), EQ(getpid(), own);
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_reap(pid);
    t_pass();
}
