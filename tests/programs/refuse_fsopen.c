// needs: root; names: any; expect: fsopen; row: "Descriptors: bpf, perf (refuse)"; profile: none
// A file system that is being made.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(syscall(430 /* fsopen */, "tmpfs", 0));
    t_go();
    OK(syscall(431 /* fsconfig */, fd, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
    t_pass();
}
