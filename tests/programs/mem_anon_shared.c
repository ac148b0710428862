// needs: any; names: any; row: "Memory: shared anonymous"
// Shared anonymous memory between a parent, a child and a grandchild stays one object after the go signal.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    volatile unsigned *m = t_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    t_fill((void *)(m + 1024), 15 * PAGE, 5);
    pid_t pid = t_fork();
    if (!pid) {
        pid_t grand = t_fork();
        if (!grand) {
            t_mark("grand");
            t_wait();
            while (m[0] != 2) t_ms(5);
            t_same((void *)(m + 1024), 15 * PAGE, 5);
            m[0] = 3;
            _exit(0);
        }
        t_wait();
        while (m[0] != 1) t_ms(5);
        m[0] = 2;
        t_reap(grand);
        _exit(0);
    }
    t_await("grand");
    t_go();
    t_same((void *)(m + 1024), 15 * PAGE, 5);
    EQ(m[0], 0);
    m[0] = 1;
    for (int i = 0; i < 2000 && m[0] != 3; i++) t_ms(5);
    EQ(m[0], 3);
    t_reap(pid);
    t_pass();
}
