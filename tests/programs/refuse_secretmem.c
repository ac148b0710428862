// needs: any; names: any; expect: memfd_secret; row: "Descriptors: bpf, perf (refuse)"
// Secret memory, not mapped.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(syscall(447 /* memfd_secret */, 0));
    OK(ftruncate(fd, PAGE));
    t_go();
    struct stat s;
    OK(fstat(fd, &s));
    EQ(s.st_size, PAGE);
    t_pass();
}
