// needs: root; names: any; expect: bpf; row: "Descriptors: bpf, perf (refuse)"; profile: none
// A bpf map.
#include "harness.h"
#include <linux/bpf.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 2};
    int fd = OK(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
    t_go();
    OK(fcntl(fd, F_GETFD));
    t_pass();
}
