// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in wait4, waitid(P_PID), waitpid of a group: each returns its own child.
#include "harness.h"
static pid_t kids[4];
static void *waits(void *arg) {
    long i = (long)arg;
    int status = 0;
    siginfo_t si;
    struct rusage ru;
    pid_t got;
    switch (i) {
    case 0: got = waitpid(kids[0], &status, 0); break;
    case 1: got = wait4(kids[1], &status, 0, &ru); break;
    case 2:
        got = OK(waitid(P_PID, kids[2], &si, WEXITED)) ? -1 : si.si_pid;
        EQ(si.si_status, 12);
        EQ(si.si_code, CLD_EXITED);
        status = si.si_status << 8;
        break;
    default: got = waitpid(-kids[3], &status, 0); break;
    }
    if (got != kids[i]) FAIL("kind %ld: %d, not %d (%s)", i, got, kids[i], strerror(errno));
    EQ(status, (10 + i) << 8);
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int i = 0; i < 4; i++) {
        kids[i] = t_fork();
        if (!kids[i]) {
            if (i == 3) OK(setpgid(0, 0));
            t_mark(t_text("k%d", i));
            t_wait();
            t_ms(50);
            _exit(10 + i);
        }
    }
    t_await("k3");
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(waits, i);
    t_ms(50);
    t_go();
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    FAILS(waitpid(-1, NULL, 0), ECHILD);
    t_pass();
}
