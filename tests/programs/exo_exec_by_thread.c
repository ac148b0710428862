// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A program executed by a thread that was not the first: it has the process's id, and what exec keeps.
#include "harness.h"
static char **args;
static void *run(void *arg) {
    setenv("BY_THREAD", t_text("%d", getpid()), 1);
    execv("/proc/self/exe", args);
    _exit(9);
}
static void *wait_forever(void *arg) {
    pause();
    return NULL;
}
int main(int argc, char **argv) {
    if (!getenv("BY_THREAD")) {
        args = argv;
        t_thread(wait_forever, 0), t_thread(run, 0);
        wait_forever(0);
    }
    int started_as = atoi(getenv("BY_THREAD"));
    EQ(getpid(), started_as), EQ(t_gettid(), getpid());
    t_start(argc, argv);
    pid_t own = getpid();
    t_go();
    EQ(getpid(), own), EQ(t_gettid(), own);
    STREQ(t_status("Threads"), "1");
    t_pass();
}
