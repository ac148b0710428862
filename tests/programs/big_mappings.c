// needs: any; names: any; slow; row: "Memory: private anonymous"
// 100,000 mappings, or nearly as many as the kernel allows: every other page has another protection.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    long most = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    if (f && fscanf(f, "%ld", &most) != 1) most = 65530;
    if (f) fclose(f);
    long count = most < 101000 ? most - 1000 : 100000;
    unsigned char *at = t_map(count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    for (long i = 0; i < count; i++) *(long *)(at + i * PAGE) = i * 7;
    for (long i = 0; i < count; i += 2) OK(mprotect(at + i * PAGE, PAGE, PROT_READ));
    t_go();
    for (long i = 0; i < count; i++) EQ(*(long *)(at + i * PAGE), i * 7);
    // where it may be written, and only there
    int fd[2];
    OK(pipe(fd));
    t_write(fd[1], "x", 1);
    FAILS(read(fd[0], at, 1), EFAULT);
    EQ(OK(read(fd[0], at + PAGE, 1)), 1);
    t_pass();
}
