// needs: root; names: any; expect: fanotify; row: "Descriptors: fanotify (refuse)"; profile: none
// A fanotify group.
#include "harness.h"
#include <sys/fanotify.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY));
    t_go();
    char b[64];
    FAILS(read(fd, b, sizeof b), EAGAIN);
    t_pass();
}
