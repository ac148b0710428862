// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// fs and gs base of several threads, gs pointing at memory of the program's own.
#include "harness.h"
#include <asm/prctl.h>
static __thread unsigned long tls = 7;
static void *run(void *arg) {
    unsigned long block[4] = {(unsigned long)arg, 0x1234567800 + (unsigned long)arg}, fs, gs, seen;
    tls = (unsigned long)arg * 3;
    OK(syscall(SYS_arch_prctl, ARCH_SET_GS, block));
    OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    t_mark(t_text("thread%lu", (unsigned long)arg));
    t_wait();
    unsigned long fs2;
    OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs2));
    OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    EQ(fs2, fs);
    EQ(gs, (unsigned long)block);
    __asm__ volatile("mov %%gs:8,%0" : "=r"(seen));
    EQ(seen, 0x1234567800 + (unsigned long)arg);
    EQ(tls, (unsigned long)arg * 3);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(run, i + 1);
    for (long i = 0; i < 4; i++) t_await(t_text("thread%ld", i + 1));
    t_go();
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    EQ(tls, 7);
    t_pass();
}
