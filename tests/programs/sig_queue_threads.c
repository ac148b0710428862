// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// Values queued to each of several threads and to the process, with codes of the sender's own making.
#include "harness.h"
static void *run(void *arg) {
    t_mark(t_text("t%ld.%d", (long)arg, 0));
    t_await("queued");
    t_wait();
    for (int i = 0; i < 4; i++) {
        sigset_t one;
        sigemptyset(&one), sigaddset(&one, SIGRTMIN + 3);
        siginfo_t si;
        struct timespec none = {0};
        EQ(OK(sigtimedwait(&one, &si, &none)), SIGRTMIN + 3);
        EQ(si.si_value.sival_int, (long)arg * 100 + i);
        EQ(si.si_code, i % 2 ? -60 - i : SI_QUEUE);
        EQ(si.si_pid, getpid());
    }
    return NULL;
}
static int tid[4];
static void *named(void *arg) {
    tid[(long)arg] = t_gettid();
    return run(arg);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(named, i);
    for (int i = 0; i < 4; i++) t_await(t_text("t%d.0", i));
    for (int i = 0; i < 16; i++) {
        siginfo_t si = {0};
        si.si_signo = SIGRTMIN + 3, si.si_code = i / 4 % 2 ? -60 - i / 4 : SI_QUEUE;
        si.si_pid = getpid(), si.si_uid = getuid(), si.si_value.sival_int = i % 4 * 100 + i / 4;
        OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid[i % 4], SIGRTMIN + 3, &si));
    }
    t_mark("queued");
    t_go();
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
