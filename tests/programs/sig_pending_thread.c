// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// Signals pending for single threads (pthread_kill, tgkill, pthread_sigqueue) stay with those threads.
#include "harness.h"
enum { N = 4 };
static void *run(void *arg) {
    long i = (long)arg;
    t_mark(t_text("t%ld", i));
    t_wait();
    sigset_t pending;
    OK(sigpending(&pending));
    EQ(sigismember(&pending, SIGHUP), 1); // shared
    EQ(sigismember(&pending, SIGUSR1), i == 0);
    EQ(sigismember(&pending, SIGRTMIN + 5), i == 1);
    EQ(sigismember(&pending, SIGTERM), i == 2);
    if (i == 1) {
        sigset_t one;
        sigemptyset(&one), sigaddset(&one, SIGRTMIN + 5);
        siginfo_t si;
        for (int v = 0; v < 3; v++) {
            EQ(OK(sigwaitinfo(&one, &si)), SIGRTMIN + 5);
            EQ(si.si_value.sival_int, v + 40);
            EQ(si.si_pid, getpid());
        }
    }
    if (i == 2) {
        sigset_t one;
        sigemptyset(&one), sigaddset(&one, SIGTERM);
        siginfo_t si;
        EQ(OK(sigwaitinfo(&one, &si)), SIGTERM);
        EQ(si.si_code, SI_USER); // glibc makes SI_USER of SI_TKILL here
        EQ(si.si_pid, getpid());
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (long i = 0; i < N; i++) t_await(t_text("t%ld", i));
    OK(kill(getpid(), SIGHUP));
    PT(pthread_kill(t[0], SIGUSR1));
    for (int v = 0; v < 3; v++) PT(pthread_sigqueue(t[1], SIGRTMIN + 5, (union sigval){.sival_int = v + 40}));
    PT(pthread_kill(t[2], SIGTERM));
    t_go();
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
