// tries: command AutoPod by its own control socket and a neighbour's: stop, checkpoint, start a program
// wall: the socket's peer check, the owner's permissions
// control: both
// needs: pods
#include "attack.h"
ATTACK
{
    const char *const sockets[] = {"control", "neighbour_control"};
    static const char *const lines[] = {"{\"request\":\"ps\"}\n", "{\"request\":\"spawn\",\"argv\":[\"/bin/true\"]}\n", "{\"request\":\"stop\",\"timeout\":0}\n"};
    for (int s = 0; s < 2; s++) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const char *path = text(sockets[s]);
        memcpy(to.sun_path, path, length(path));
        for (int i = 0; i < 3; i++) {
            char answer[300] = {0};
            long fd = sc(__NR_socket, AF_UNIX, SOCK_STREAM, 0), wait[2] = {0, 300000};
            if (fd < 0) cannot("socket", fd);
            sc(__NR_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, wait, sizeof wait);
            if (!attempt("connect", sc(__NR_connect, fd, &to, sizeof to))) continue;
            sc(__NR_sendto, fd, lines[i], length(lines[i]), 0x4000 /* MSG_NOSIGNAL */, 0, 0);
            long n = sc(__NR_read, fd, answer, sizeof answer - 1);
            say("answer: %s", n > 0 ? answer : "none");
            if (n > 0 && !begins(answer, "{\"refused\"") && !begins(answer, "{\"answer\":\"refused\"")) gain("an answer", 0);
            sc(__NR_close, fd);
        }
    }
}
