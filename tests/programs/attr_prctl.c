// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// Dumpable, THP disable, keepcaps, name, and the tsc and cpuid switches of the process.
#include "harness.h"
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    OK(prctl(PR_SET_NAME, "a (odd) name"));
    OK(prctl(PR_SET_KEEPCAPS, 1));
    pid_t pid = t_fork();
    if (!pid) {
        OK(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
        OK(prctl(PR_SET_DUMPABLE, 0));
        t_mark("child");
        t_wait();
        EQ(prctl(PR_GET_DUMPABLE), 0);
        EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(prctl(PR_GET_DUMPABLE), 1);
    EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    EQ(prctl(PR_GET_KEEPCAPS), 1);
    char name[17] = {0};
    OK(prctl(PR_GET_NAME, name));
    STREQ(name, "a (odd) name");
    STREQ(t_status("Name"), "a (odd) name");
    t_reap(pid);
    t_pass();
}
