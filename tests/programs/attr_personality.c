// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// The personality of a process and a different one of its child.
#include "harness.h"
#include <sys/personality.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS));
    pid_t pid = t_fork();
    if (!pid) {
        OK(personality(PER_LINUX | ADDR_COMPAT_LAYOUT));
        t_mark("child");
        t_wait();
        EQ(personality(0xffffffff), ADDR_COMPAT_LAYOUT);
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS);
    t_reap(pid);
    t_pass();
}
