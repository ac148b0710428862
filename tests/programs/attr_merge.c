// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// What prctl keeps of a process that few programs set: merging of equal pages, no new privileges, and the processor's flags of threads.
#include "harness.h"
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    bool merge = prctl(67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0) == 0;
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    OK(prctl(PR_SET_TIMERSLACK, 123456));
    pid_t pid = t_fork();
    if (!pid) {
        if (merge) OK(prctl(67, 0, 0, 0, 0));
        t_mark("child");
        t_wait();
        if (merge) EQ(prctl(68 /* PR_GET_MEMORY_MERGE */, 0, 0, 0, 0), 0);
        EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        _exit(0);
    }
    t_await("child");
    t_go();
    if (merge) EQ(prctl(68, 0, 0, 0, 0), 1);
    EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    EQ(prctl(PR_GET_TIMERSLACK), 123456);
    t_reap(pid);
    t_pass();
}
