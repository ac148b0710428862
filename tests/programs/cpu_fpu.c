// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// The x87 stack, its control word, MXCSR rounding mode and unmasked exceptions, while blocked in a system call.
#include "harness.h"
#include <fenv.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p[2];
    OK(pipe(p));
    pid_t k = t_kicker(t_write(p[1], "x", 1));
    uint16_t cw = 0x0a7f, cw_after; // rounding up, double precision
    uint32_t mxcsr = 0x7f80, mxcsr_after;
    char c;
    double got[4], in[4] = {1.5, -2.25, 3e300, 1.0 / 3};
    t_ready();
    long n;
    __asm__ volatile("fldcw %[cw]\n ldmxcsr %[mx]\n fldl 0(%[in])\n fldl 8(%[in])\n fldl 16(%[in])\n fldl 24(%[in])\n"
                     "xor %%eax,%%eax\n syscall\n"
                     "fstpl 24(%[got])\n fstpl 16(%[got])\n fstpl 8(%[got])\n fstpl 0(%[got])\n fnstcw %[cwa]\n stmxcsr %[mxa]\n"
                     : "=a"(n), [cwa] "=m"(cw_after), [mxa] "=m"(mxcsr_after)
                     : [cw] "m"(cw), [mx] "m"(mxcsr), [in] "r"(in), [got] "r"(got), "D"(p[0]), "S"(&c), "d"(1)
                     : "rcx", "r11", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
    uint16_t cw_default = 0x37f;
    uint32_t mx_default = 0x1f80;
    __asm__ volatile("fldcw %0\n ldmxcsr %1" : : "m"(cw_default), "m"(mx_default));
    EQ(n, 1);
    EQ(c, 'x');
    MEMEQ(got, in, sizeof in);
    EQ(cw_after, cw);
    EQ(mxcsr_after & ~0x3f, mxcsr);
    t_reap(k);
    t_pass();
}
