// needs: root; names: any; expect: /dev/; row: "Descriptors: special files /dev/{null,zero,full,random,urandom,tty,ptmx}"
// A device the engine knows nothing about (/dev/fuse).
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open("/dev/fuse", O_RDWR | O_NONBLOCK));
    t_go();
    OK(fcntl(fd, F_GETFD));
    t_pass();
}
