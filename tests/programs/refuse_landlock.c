// needs: any; names: any; expect: Landlock; row: "Descriptors: bpf, perf (refuse)"
// A rule set of Landlock that is not yet in force.
#include "harness.h"
#include <linux/landlock.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct landlock_ruleset_attr a = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
    int fd = OK(syscall(444 /* landlock_create_ruleset */, &a, sizeof a, 0));
    t_go();
    OK(fcntl(fd, F_GETFD));
    t_pass();
}
