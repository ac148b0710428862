// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// Upper halves of the ymm registers (and zmm, opmask where the processor has them) of a spinning thread.
#include "harness.h"
static volatile int stop;
static void *kick(void *unused) {
    t_wait();
    t_ms(20);
    stop = 1;
    return NULL;
}
static unsigned char in[512], out[512];
__attribute__((target("avx512f"))) static void spin512(void) {
    __asm__ volatile("vmovdqu64 (%0),%%zmm5\n vmovdqu64 64(%0),%%zmm20\n vmovdqu64 128(%0),%%zmm31\n kmovw 192(%0),%%k3\n"
                     "1: pause\n cmpl $0,%2\n je 1b\n"
                     "vmovdqu64 %%zmm5,(%1)\n vmovdqu64 %%zmm20,64(%1)\n vmovdqu64 %%zmm31,128(%1)\n kmovw %%k3,192(%1)\n vzeroupper"
                     : : "r"(in), "r"(out), "m"(stop) : "memory", "xmm5", "xmm20", "xmm31", "k3");
    MEMEQ(out, in, 194);
}
__attribute__((target("avx"))) static void spin256(void) {
    __asm__ volatile("vmovdqu (%0),%%ymm0\n vmovdqu 32(%0),%%ymm7\n vmovdqu 64(%0),%%ymm15\n"
                     "1: pause\n cmpl $0,%2\n je 1b\n"
                     "vmovdqu %%ymm0,(%1)\n vmovdqu %%ymm7,32(%1)\n vmovdqu %%ymm15,64(%1)\n vzeroupper"
                     : : "r"(in), "r"(out), "m"(stop) : "memory", "xmm0", "xmm7", "xmm15");
    MEMEQ(out, in, 96);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    t_fill(in, sizeof in, 3);
    pthread_t t = t_thread(kick, NULL);
    t_ready();
    if (__builtin_cpu_supports("avx512f")) spin512();
    else if (__builtin_cpu_supports("avx")) spin256();
    else t_wait();
    PT(pthread_join(t, NULL));
    t_pass();
}
