// tries: send forged credentials (SCM_CREDENTIALS): the id of a process outside, the root user
// wall: the pid namespace, capabilities
// control: root
#include "attack.h"
ATTACK
{
    int pair[2], on = 1;
    sc(__NR_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair);
    sc(__NR_setsockopt, pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    for (int way = 0; way < 2; way++) {
        char byte = 'x', control[CMSG_SPACE(12)];
        struct iovec data = {&byte, 1};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *header = (struct cmsghdr *)control;
        header->cmsg_len = CMSG_LEN(12), header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_CREDENTIALS;
        int *credentials = (int *)CMSG_DATA(header);
        credentials[0] = (int)(way ? sc(__NR_getpid) : number("victim"));
        credentials[1] = credentials[2] = (int)(way ? 12345 : sc(__NR_getuid));
        if (way && sc(__NR_geteuid) == 0) break; // any user of the pod is its root's to be
        gain(way ? "another user" : "another process", sc(__NR_sendmsg, pair[1], &message, 0));
    }
}
