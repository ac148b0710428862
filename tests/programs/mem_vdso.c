// needs: any; names: any; row: "Memory: vdso/vvar"
// The vdso is where the auxiliary vector says, works, and vvar is mapped beside it.
#include "harness.h"
#include <sys/auxv.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *base = (char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(base);
    t_vma v;
    CHECK(t_vma_at(base, &v));
    t_go();
    EQ(getauxval(AT_SYSINFO_EHDR), (unsigned long)base);
    MEMEQ(base, "\177ELF", 4);
    // on another kernel the code is the old one still, under no name
    t_vma w;
    CHECK(t_vma_at(base, &w));
    EQ(w.start, v.start);
    EQ(w.end, v.end);
    struct timespec a, b, c;
    for (int i = 0; i < 1000; i++) {
        OK(clock_gettime(CLOCK_REALTIME, &a));
        OK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &b));
        OK(clock_gettime(CLOCK_REALTIME, &c));
        double x = a.tv_sec + a.tv_nsec / 1e9, y = b.tv_sec + b.tv_nsec / 1e9, z = c.tv_sec + c.tv_nsec / 1e9;
        CHECK(x <= y + 1e-6 && y <= z + 1e-6);
    }
    CHECK(sched_getcpu() >= 0);
    t_pass();
}
