// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// What process and thread want of the machine: machine check policy, merging of equal pages, NUMA policy, CPUID, time stamp counter.
#include "harness.h"
#include <asm/prctl.h>
#include <sys/prctl.h>
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
static unsigned long mask[16] = {1}, got[16];
static void *run(void *u) {
    OK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
    OK(syscall(SYS_set_mempolicy, 2, mask, 1024)); // MPOL_BIND
    OK(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    t_mark("thread");
    t_wait();
    int mode, tsc;
    EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
    OK(syscall(SYS_get_mempolicy, &mode, got, 1024, 0, 0));
    EQ(mode, 2);
    EQ(got[0], 1);
    OK(prctl(PR_GET_TSC, &tsc));
    EQ(tsc, PR_TSC_SIGSEGV);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    bool merges = prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) == 0, no_cpuid = syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0;
    int speculation = prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0);
    if (speculation > 0 && speculation & PR_SPEC_PRCTL) {
        OK(prctl(PR_SET_SPECULATION_CTRL, 0, PR_SPEC_DISABLE, 0, 0));
        speculation = PR_SPEC_PRCTL | PR_SPEC_DISABLE;
    }
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    OK(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
    t_go();
    int mode = -1;
    EQ(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
    OK(syscall(SYS_get_mempolicy, &mode, got, 1024, 0, 0));
    EQ(mode, 0);
    if (merges) EQ(prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0), 1);
    EQ(syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0), !no_cpuid);
    EQ(prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0), speculation);
    PT(pthread_join(t, NULL));
    t_pass();
}
