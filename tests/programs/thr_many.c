// needs: any; names: any; row: "Task: name (comm)"
// Fifty threads with names, masks, alternate stacks and ids of their own.
#include "harness.h"
#include <sys/prctl.h>
enum { N = 50 };
static pid_t tids[N];
static void *run(void *arg) {
    long i = (long)arg;
    char name[16], got[16];
    snprintf(name, sizeof name, "worker %ld", i);
    OK(prctl(PR_SET_NAME, name));
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + i % 20);
    sigaddset(&mask, SIGUSR2);
    PT(pthread_sigmask(SIG_SETMASK, &mask, NULL));
    stack_t alt = {.ss_sp = malloc(32768), .ss_size = 32768}, alt_now;
    OK(sigaltstack(&alt, NULL));
    tids[i] = t_gettid();
    t_mark(t_text("t%ld", i));
    t_wait();
    EQ(t_gettid(), tids[i]);
    EQ(gettid(), tids[i]);
    OK(prctl(PR_GET_NAME, got));
    STREQ(got, name);
    PT(pthread_sigmask(SIG_SETMASK, NULL, &now));
    for (int s = 1; s < 65; s++)
        if (s < 32 || s > 33) EQ(sigismember(&now, s), sigismember(&mask, s));
    OK(sigaltstack(NULL, &alt_now));
    EQ((long)alt_now.ss_sp, (long)alt.ss_sp);
    EQ(alt_now.ss_size, 32768);
    EQ(alt_now.ss_flags, 0);
    return (void *)(i + 1000);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (long i = 0; i < N; i++) t_await(t_text("t%ld", i));
    t_go();
    for (long i = 0; i < N; i++) {
        void *result;
        PT(pthread_join(t[i], &result));
        EQ((long)result, i + 1000);
    }
    EQ(atol(t_status("Threads")), 1);
    t_pass();
}
