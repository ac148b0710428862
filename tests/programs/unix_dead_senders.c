// needs: any; names: any; row: "Unix sockets: SO_PASSCRED, peer credentials"
// Messages in the queue from processes that are dead: credentials, source addresses that are gone, a connection made by a dead process.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_un name = {AF_UNIX, "d"}, lname = {AF_UNIX, "l"};
    int d = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), l = OK(socket(AF_UNIX, SOCK_STREAM, 0)), one = 1, s[2];
    OK(setsockopt(d, SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    OK(bind(d, (void *)&name, sizeof name)), OK(bind(l, (void *)&lname, sizeof lname)), OK(listen(l, 3));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    pid_t pid = t_fork();
    if (!pid) {
        struct sockaddr_un own = {AF_UNIX, "own"};
        int c = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
        OK(bind(c, (void *)&own, sizeof own)), OK(connect(c, (void *)&name, sizeof name));
        EQ(send(c, "first", 5, 0), 5), EQ(send(c, "second", 6, 0), 6);
        OK(unlink("own"));
        int t = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(t, (void *)&lname, sizeof lname)), t_write(t, "bye", 3);
        t_write(s[1], "stream", 6);
        _exit(0);
    }
    t_reap(pid);
    t_write(s[1], "mine", 4);
    t_go();
    for (int i = 0; i < 2; i++) {
        char b[16], control[200] = {0};
        struct sockaddr_un from = {0};
        struct iovec io = {b, 16};
        struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 200};
        EQ(OK(recvmsg(d, &m, 0)), 5 + i);
        STREQ(from.sun_path, "own");
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        CHECK(h && h->cmsg_type == SCM_CREDENTIALS);
        struct ucred u;
        memcpy(&u, CMSG_DATA(h), sizeof u);
        EQ(u.uid, getuid()), EQ(u.gid, getgid());
    }
    int a = OK(accept(l, NULL, NULL));
    struct ucred u;
    socklen_t len = sizeof u;
    OK(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &u, &len)), EQ(u.uid, getuid());
    char b[16];
    t_read(a, b, 3), EQ(OK(read(a, b, 1)), 0);
    EQ(OK(read(s[0], b, 16)), 6); // not merged with what another process wrote
    EQ(OK(read(s[0], b, 16)), 4);
    t_pass();
}
