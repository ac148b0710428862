// needs: root; names: any; expect: userfaultfd; row: "Descriptors: userfaultfd (refuse)"; profile: none
// A userfaultfd.
#include "harness.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(syscall(SYS_userfaultfd, O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */));
    struct uffdio_api api = {.api = UFFD_API};
    OK(ioctl(fd, UFFDIO_API, &api));
    t_go();
    char b[64];
    FAILS(read(fd, b, sizeof b), EAGAIN);
    t_pass();
}
