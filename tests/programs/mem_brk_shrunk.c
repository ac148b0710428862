// needs: any; names: any; row: "Memory: stack with guard and growth, brk heap, PROT_NONE reservations, vdso/vvar"
// The end of the heap is within a page, after it shrank; parts of the heap are unmapped and protected.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    t_ready(); // what allocates memory does so before
    char *start = OK(sbrk(0));
    start = (char *)(((unsigned long)start + PAGE - 1) & ~(PAGE - 1));
    EQ(syscall(SYS_brk, start + 20 * PAGE + 123), (long)start + 20 * (long)PAGE + 123);
    t_fill(start, 20 * PAGE, 1);
    EQ(syscall(SYS_brk, start + 15 * PAGE + 77), (long)start + 15 * (long)PAGE + 77);
    OK(munmap(start + 3 * PAGE, PAGE)), OK(mprotect(start + 5 * PAGE, PAGE, PROT_READ)), OK(mprotect(start + 7 * PAGE, PAGE, PROT_NONE));
    t_wait();
    EQ(syscall(SYS_brk, 0), (long)start + 15 * (long)PAGE + 77);
    t_same(start, 3 * PAGE, 1);
    unsigned char there;
    FAILS(mincore(start + 3 * PAGE, PAGE, &there), ENOMEM);
    OK(mprotect(start + 7 * PAGE, PAGE, PROT_READ));
    for (size_t i = 4 * PAGE; i < 15 * PAGE; i++) EQ(start[i], (char)t_byte(i, 1));
    EQ(syscall(SYS_brk, start + 16 * PAGE), (long)start + 16 * (long)PAGE);
    start[16 * PAGE - 1] = 'x';
    t_pass();
}
