// needs: any; names: any; row: "Memory: shared anonymous"
// Shared anonymous memory known to two grandchildren only: who made it, and the one between, have ended or unmapped it.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t middle = t_fork();
    if (!middle) {
        char *m = t_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        t_fill(m, 16 * PAGE, 1);
        for (int i = 0; i < 2; i++)
            if (!fork()) {
                if (i) OK(mprotect(m, 8 * PAGE, PROT_READ));
                t_mark(t_text("g%d", i));
                t_wait();
                if (!i) {
                    EQ(m[9], (char)t_byte(9, 1));
                    m[3] = 'g';
                    t_mark("written");
                } else {
                    t_await("written");
                    EQ(m[3], 'g');
                    t_pass();
                }
                _exit(0);
            }
        _exit(0);
    }
    t_reap(middle);
    t_await("g0"), t_await("g1");
    t_go();
    t_await("result");
    _exit(0);
}
