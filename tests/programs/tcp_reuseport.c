// needs: any; names: any; row: "Internet: listening (backlog, reuse)"
// Three listeners of two processes on one port by SO_REUSEPORT.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int l[3];
    for (int i = 0; i < 3; i++) {
        l[i] = OK(socket(AF_INET, SOCK_STREAM, 0));
        t_set(l[i], SOL_SOCKET, SO_REUSEPORT, 1);
        OK(bind(l[i], (void *)&a, sizeof a)), OK(listen(l[i], 20)), OK(getsockname(l[i], (void *)&a, &len));
    }
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        for (;;) pause();
    }
    t_await("child");
    t_go();
    int seen[3] = {0};
    for (int i = 0; i < 40; i++) {
        int c = OK(socket(AF_INET, SOCK_STREAM, 0));
        OK(connect(c, (void *)&a, len));
        struct pollfd p[3] = {{l[0], POLLIN, 0}, {l[1], POLLIN, 0}, {l[2], POLLIN, 0}};
        EQ(poll(p, 3, 5000), 1);
        for (int k = 0; k < 3; k++)
            if (p[k].revents) close(OK(accept(l[k], NULL, NULL))), seen[k]++;
        close(c);
    }
    if (!seen[0] || !seen[1] || !seen[2]) FAIL("connections went to %d %d %d", seen[0], seen[1], seen[2]);
    OK(kill(pid, SIGKILL));
    t_reap_at(__LINE__, pid, SIGKILL);
    t_pass();
}
