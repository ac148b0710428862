// needs: any; names: any; row: "Task: clear_child_tid"
// Threads made and joined without pause in two processes.
#include "harness.h"
static void *run(void *arg) { return (char *)arg + 1; }
static void rain(void) {
    for (long n = 0; !t_exists("go") || n < 50; n++) {
        pthread_t t[4];
        for (long i = 0; i < 4; i++) t[i] = t_thread(run, n + i);
        for (long i = 0; i < 4; i++) {
            void *r;
            PT(pthread_join(t[i], &r));
            EQ((long)r, n + i + 1);
        }
    }
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        rain();
        _exit(0);
    }
    t_ready();
    rain();
    t_reap(pid);
    t_pass();
}
