// needs: root; names: any; row: "Memory: private anonymous"; profile: none
// The page at address 0, which root may map.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    volatile char *zero = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zero == MAP_FAILED) FAIL("cannot map address 0: %s", strerror(errno));
    asm volatile("movb $42, 16" ::: "memory");
    t_go();
    char got;
    asm volatile("movb 16, %0" : "=r"(got)::"memory");
    EQ(got, 42);
    t_pass();
}
