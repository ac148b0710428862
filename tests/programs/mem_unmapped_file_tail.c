// needs: any; names: any; row: "Memory: shared file"
// A mapping that reaches beyond the end of its file: SIGBUS there, and usable once the file grows.
#include "harness.h"
#include <setjmp.h>
static sigjmp_buf back;
static void fault(int sig) { siglongjmp(back, 1); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGBUS, fault);
    int fd = t_make_file("f", 2 * PAGE + 100, 1);
    char *s = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *p = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    p[PAGE] = 3;
    t_go();
    t_same(s, 2 * PAGE + 100, 1);
    EQ(p[PAGE], 3);
    EQ(s[3 * PAGE - 1], 0);
    volatile int faulted = 0;
    if (sigsetjmp(back, 1)) faulted = 1;
    else s[4 * PAGE] = 1;
    EQ(faulted, 1);
    OK(ftruncate(fd, 8 * PAGE));
    s[4 * PAGE] = 6;
    EQ(p[4 * PAGE], 6);
    t_pass();
}
