// needs: any; names: any; expect: io_uring; row: "Descriptors: io_uring (refuse)"; profile: none
// An io_uring instance.
#include "harness.h"
#include <linux/io_uring.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct io_uring_params p = {0};
    int fd = OK(syscall(SYS_io_uring_setup, 4, &p));
    t_go();
    EQ(OK(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0)), 0);
    t_pass();
}
