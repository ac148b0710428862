// needs: any; names: any; row: "Process: credentials: capabilities, securebits, no_new_privs"
// no_new_privs of the process, and of a single thread.
#include "harness.h"
#include <sys/prctl.h>
static void *run(void *u) {
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    t_mark("thread");
    t_wait();
    EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    t_mark("checked");
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        t_mark("child");
        t_wait();
        EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        _exit(0);
    }
    int before = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    pthread_t t = t_thread(run, NULL);
    t_await("thread"), t_await("child");
    t_go();
    t_reap(pid);
    t_await("checked");
    EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), before);
    PT(pthread_join(t, NULL));
    t_pass();
}
