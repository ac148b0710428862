// needs: any; names: any; row: "Memory: shared anonymous"
// Two processes map different parts of one shared anonymous object, at addresses and with permissions of their own.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *m = t_map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    t_fill(m, 8 * PAGE, 6);
    char *space = t_map(64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    pid_t pid = t_fork();
    if (!pid) {
        OK(munmap(m, 4 * PAGE));
        OK(mprotect(m + 6 * PAGE, 2 * PAGE, PROT_READ));
        char *elsewhere = OK(mremap(m + 4 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, space + 8 * PAGE));
        t_mark("child");
        t_wait();
        EQ((unsigned char)m[6 * PAGE], t_byte(6 * PAGE, 6));
        EQ((unsigned char)elsewhere[PAGE], t_byte(5 * PAGE, 6));
        elsewhere[0] = 11;
        t_await("written");
        EQ(m[7 * PAGE], 22);
        t_mark("read");
        _exit(0);
    }
    t_await("child");
    t_go();
    for (int i = 0; i < 500 && m[4 * PAGE] != 11; i++) t_ms(10);
    EQ(m[4 * PAGE], 11);
    m[7 * PAGE] = 22;
    t_mark("written");
    t_reap(pid);
    t_same(m, 4 * PAGE, 6);
    t_pass();
}
