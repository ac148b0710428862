// needs: any; names: any; expect: namespace; row: "Descriptors: bpf, perf (refuse)"
// A descriptor of a namespace.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open("/proc/self/ns/net", O_RDONLY));
    struct stat a, b;
    OK(fstat(fd, &a));
    t_go();
    OK(fstat(fd, &b));
    EQ(b.st_ino, a.st_ino);
    t_pass();
}
