// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A process whose first thread has ended, stopped: it is still stopped, its threads go on when continued, with what was queued.
#include "harness.h"
static volatile int hits;
static void on(int sig) { hits++; }
static void *run(void *arg) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), PT(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
    t_await("leader-ends");
    t_ms(30);
    t_mark("runs");
    t_wait();
    EQ(hits, 1);
    _exit(7);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        sigset_t set;
        sigemptyset(&set), sigaddset(&set, SIGUSR1), OK(sigprocmask(SIG_BLOCK, &set, NULL));
        signal(SIGUSR1, on);
        t_thread(run, 0);
        t_mark("leader-ends");
        syscall(SYS_exit, 0);
    }
    t_await("runs");
    kill(pid, SIGSTOP);
    int status;
    EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
    kill(pid, SIGUSR1);
    t_go();
    t_ms(50);
    EQ(OK(waitpid(pid, &status, WNOHANG | WUNTRACED)), 0);
    kill(pid, SIGCONT);
    t_reap_at(__LINE__, pid, 7 << 8);
    t_pass();
}
