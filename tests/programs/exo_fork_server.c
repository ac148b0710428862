// needs: any; names: any; row: "Process: parent, process group, session"
// A daemon that changed its user when it could, serves children over a socket, each of which executes a program and is waited for.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    if (!getuid()) OK(chmod(".", 0777)), OK(setgid(1000)), OK(setuid(1000));
    struct sockaddr_un name = {AF_UNIX, "server"};
    int l = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    OK(bind(l, (void *)&name, sizeof name)), OK(listen(l, 8));
    pid_t worker = t_fork();
    if (!worker) {
        for (int n = 0; n < 6; n++) {
            int c = OK(accept(l, NULL, NULL));
            pid_t pid = t_fork();
            if (!pid) {
                OK(dup2(c, 0)), OK(dup2(c, 1));
                execl("/bin/sh", "sh", "-c", "read a b; echo $((a * b))", NULL);
                _exit(9);
            }
            close(c);
            t_reap(pid);
        }
        _exit(0);
    }
    for (int n = 0; n < 6; n++) {
        if (n == 3) t_go();
        int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(c, (void *)&name, sizeof name));
        dprintf(c, "%d %d\n", n + 3, n + 5);
        char b[32] = {0}, want[32];
        snprintf(want, 32, "%d\n", (n + 3) * (n + 5));
        t_read(c, b, strlen(want));
        STREQ(b, want);
        close(c);
    }
    t_reap(worker);
    t_pass();
}
