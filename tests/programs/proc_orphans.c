// needs: any; names: any; row: "Process: parent, process group, session, controlling terminal, foreground group"
// Orphans adopted by the reaper of the pod keep their parent's id over the go signal, and still work.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        for (int i = 0; i < 3; i++)
            if (!t_fork()) {
                pid_t old = getppid();
                t_mark(t_text("born%d", i));
                while (getppid() == old) t_ms(5);
                pid_t adopter = getppid();
                t_mark(t_text("orphan%d", i));
                t_wait();
                EQ(getppid(), adopter);
                t_mark(t_text("ok%d", i));
                _exit(0);
            }
        for (int i = 0; i < 3; i++) t_await(t_text("born%d", i));
        _exit(0);
    }
    t_reap(pid);
    for (int i = 0; i < 3; i++) t_await(t_text("orphan%d", i));
    t_go();
    for (int i = 0; i < 3; i++) t_await(t_text("ok%d", i));
    t_pass();
}
