// needs: any; names: any; row: "Task: interrupted system call"
// Threads that each wait for a child of their own (__WNOTHREAD), in waitid and wait4; the children know which thread is their parent.
#include "harness.h"
#include <sys/prctl.h>
static void *run(void *arg) {
    long i = (long)arg;
    pid_t pid = t_fork();
    if (!pid) {
        OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
        t_wait();
        _exit(10 + i);
    }
    t_mark(t_text("t%ld", i));
    int status;
    if (i % 2) {
        EQ(OK(wait4(-1, &status, __WNOTHREAD, NULL)), pid), EQ(WEXITSTATUS(status), 10 + i);
    } else {
        siginfo_t si;
        OK(waitid(P_ALL, 0, &si, WEXITED | __WNOTHREAD)), EQ(si.si_pid, pid), EQ(si.si_status, 10 + i);
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 4; i++) t_await(t_text("t%d", i));
    t_ms(50);
    t_go();
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
