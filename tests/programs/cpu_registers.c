// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// All general registers, flags and xmm registers of a thread that spins without a system call.
#include "harness.h"
static volatile int stop, started;
static void *kick(void *unused) {
    t_wait();
    t_ms(20);
    stop = 1;
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t = t_thread(kick, NULL);
    t_ready();
    uint64_t r[8], bad = 0, x[4];
    for (int i = 0; i < 8; i++) r[i] = 0x1111111111111111ull * (i + 1);
    __asm__ volatile("mov 0(%[r]),%%r8\n mov 8(%[r]),%%r9\n mov 16(%[r]),%%r10\n mov 24(%[r]),%%r11\n"
                     "mov 32(%[r]),%%r12\n mov 40(%[r]),%%r13\n mov 48(%[r]),%%r14\n mov 56(%[r]),%%r15\n"
                     "movdqu 0(%[r]),%%xmm3\n movdqu 32(%[r]),%%xmm15\n std\n stc\n"
                     "1: pause\n cmpl $0,%[stop]\n je 1b\n"
                     "pushfq\n pop %%rax\n and $0x400,%%rax\n xor $0x400,%%rax\n cld\n mov %%rax,%[bad]\n"
                     "xor 0(%[r]),%%r8\n xor 8(%[r]),%%r9\n xor 16(%[r]),%%r10\n xor 24(%[r]),%%r11\n"
                     "xor 32(%[r]),%%r12\n xor 40(%[r]),%%r13\n xor 48(%[r]),%%r14\n xor 56(%[r]),%%r15\n"
                     "or %%r9,%%r8\n or %%r10,%%r8\n or %%r11,%%r8\n or %%r12,%%r8\n or %%r13,%%r8\n or %%r14,%%r8\n or %%r15,%%r8\n"
                     "or %%r8,%[bad]\n movdqu %%xmm3,%[x0]\n movdqu %%xmm15,%[x2]\n"
                     : [bad] "=m"(bad), [x0] "=m"(x[0]), [x2] "=m"(x[2])
                     : [r] "b"(r), [stop] "m"(stop)
                     : "rax", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm3", "xmm15", "memory", "cc");
    EQ(bad, 0);
    MEMEQ(x, r, 16);
    MEMEQ(x + 2, r + 4, 16);
    PT(pthread_join(t, NULL));
    t_pass();
}
