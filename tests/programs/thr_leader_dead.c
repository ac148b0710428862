// needs: any; names: any; row: "Process: leaders that are dead"
// The main thread has left by pthread_exit, another thread lives on.
#include "harness.h"
static pid_t pid, tid;
static void *nothing(void *unused) { return NULL; }
static void *run(void *unused) {
    tid = gettid();
    char state = 0;
    for (int i = 0; i < 500 && state != 'Z'; i++) {
        state = *t_field(t_text("/proc/self/task/%d/status", getpid()), "State");
        t_ms(10);
    }
    EQ(state, 'Z');
    t_go();
    EQ(getpid(), pid);
    EQ(gettid(), tid);
    EQ(*t_field(t_text("/proc/self/task/%d/status", getpid()), "State"), 'Z');
    OK(kill(pid, 0));
    pthread_t t = t_thread(nothing, NULL);
    PT(pthread_join(t, NULL));
    t_pass();
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid = getpid();
    t_thread(run, NULL);
    pthread_exit(NULL);
}
