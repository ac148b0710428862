// needs: any; names: any; row: "Names: SCM_CREDENTIALS, SO_PEERCRED"
// Credentials queued with messages (SO_PASSCRED), peer credentials of pairs and connections, of live and dead processes.
#include "socket.h"
static struct ucred peer(int fd) {
    struct ucred c;
    socklen_t len = sizeof c;
    OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len));
    return c;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2], d[2], l = t_un_bound("l", SOCK_STREAM, 5);
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    t_set(s[1], SOL_SOCKET, SO_PASSCRED, 1), t_set(d[1], SOL_SOCKET, SO_PASSCRED, 1);
    pid_t pid = t_fork();
    if (!pid) {
        t_say(s[0], "child"), t_say(d[0], "child");
        int c = t_un_connected("l", SOCK_STREAM);
        t_mark("child");
        t_wait();
        EQ(peer(c).pid, getppid());
        t_await("checked");
        _exit(0);
    }
    pid_t gone = t_fork();
    if (!gone) {
        t_await("child");
        t_say(d[0], "dead");
        _exit(0);
    }
    t_reap(gone);
    t_say(s[0], "parent");
    int a = OK(accept(l, NULL, NULL));
    t_go();
    EQ(t_opt(s[1], SOL_SOCKET, SO_PASSCRED), 1);
    char b[32] = {0};
    ssize_t n;
    struct ucred c = {0};
    t_recv_fds(s[1], b, 32, &n, NULL, 0, &c);
    STREQ(b, "child");
    EQ(c.pid, pid), EQ(c.uid, getuid()), EQ(c.gid, getgid());
    t_recv_fds(s[1], b, 32, &n, NULL, 0, &c);
    EQ(n, 6);
    EQ(c.pid, getpid());
    t_recv_fds(d[1], b, 32, &n, NULL, 0, &c);
    EQ(c.pid, pid);
    t_recv_fds(d[1], b, 32, &n, NULL, 0, &c);
    MEMEQ(b, "dead", 4);
    EQ(c.uid, getuid());
    EQ(peer(s[0]).pid, getpid());
    EQ(peer(a).pid, pid), EQ(peer(a).uid, getuid());
    t_say(s[0], "now");
    t_recv_fds(s[1], b, 32, &n, NULL, 0, &c);
    EQ(c.pid, getpid());
    t_mark("checked");
    t_reap(pid);
    t_pass();
}
