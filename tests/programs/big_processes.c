// needs: any; names: any; slow; row: "Process: parent, process group, session, controlling terminal, foreground group"
// 500 processes in groups of their own, each with data of its own.
#include "harness.h"
enum { COUNT = 500 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid[COUNT], us = getpid();
    int ready[2];
    OK(pipe(ready));
    for (int i = 0; i < COUNT; i++) {
        pid[i] = t_fork();
        if (!pid[i]) {
            OK(setpgid(0, 0));
            pid_t me = getpid();
            unsigned char *own = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
            t_fill(own, 4 * PAGE, i);
            OK(write(ready[1], "x", 1));
            t_wait();
            EQ(getpid(), me);
            EQ(getppid(), us);
            EQ(getpgrp(), me);
            t_same(own, 4 * PAGE, i);
            _exit(i % 200);
        }
    }
    char x;
    for (int i = 0; i < COUNT; i++) EQ(OK(read(ready[0], &x, 1)), 1);
    t_go();
    for (int i = 0; i < COUNT; i++) t_reap_at(__LINE__, pid[i], (i % 200) << 8);
    t_pass();
}
