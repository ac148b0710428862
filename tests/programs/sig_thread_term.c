// needs: any; names: any; go: term; row: "Task: signal mask, sigaltstack"
// SIGTERM blocked in all threads but one, which takes it while the main thread sleeps in join.
#include "harness.h"
static volatile pid_t took;
static void handler(int s) { took = gettid(); }
static void *run(void *u) {
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGTERM);
    PT(pthread_sigmask(SIG_UNBLOCK, &s, NULL));
    t_mark("thread");
    while (!took) pause();
    EQ(took, gettid());
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGTERM, handler);
    sigset_t s;
    sigfillset(&s);
    OK(sigprocmask(SIG_BLOCK, &s, NULL));
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    t_ready();
    PT(pthread_join(t, NULL));
    t_pass();
}
