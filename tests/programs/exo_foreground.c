// needs: any; names: any; start: foreground; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A program that did not daemonize: its parent, group and session afterwards.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t ids[] = {getpid(), getppid(), getpgrp(), getsid(0)};
    t_go();
    EQ(getpid(), ids[0]), EQ(getppid(), ids[1]), EQ(getpgrp(), ids[2]), EQ(getsid(0), ids[3]);
    t_pass();
}
