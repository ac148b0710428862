// needs: any; names: any; row: "Unix sockets: connected"
// Server and client processes connected over a path; the listener closed on one, alive on the other; names of both ends.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int l = t_un_bound("l", SOCK_STREAM, 5), m = t_un_bound("m", SOCK_STREAM, 5);
    pid_t pid = t_fork();
    if (!pid) {
        close(l), close(m);
        int a = t_un_connected("l", SOCK_STREAM), b = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        struct sockaddr_un me = t_un("client"), to = t_un("m");
        OK(bind(b, (void *)&me, sizeof me)), OK(connect(b, (void *)&to, sizeof to));
        t_say(a, "question"), t_say(b, "bound");
        t_mark("child");
        t_wait();
        t_stream(a, "answer"), t_stream(b, "answer too");
        struct sockaddr_un n;
        socklen_t len = sizeof n;
        OK(getpeername(a, (void *)&n, &len));
        STREQ(n.sun_path, "l");
        t_say(a, "bye");
        _exit(0);
    }
    int a = OK(accept(l, NULL, NULL)), b = OK(accept(m, NULL, NULL));
    close(l);
    t_say(b, "answer too");
    t_await("child");
    t_go();
    t_stream(a, "question"), t_stream(b, "bound");
    t_say(a, "answer");
    struct sockaddr_un n;
    socklen_t len = sizeof n;
    OK(getpeername(b, (void *)&n, &len));
    STREQ(n.sun_path, "client");
    len = sizeof n;
    OK(getsockname(a, (void *)&n, &len));
    STREQ(n.sun_path, "l");
    t_reap(pid);
    t_stream(a, "bye");
    char c;
    EQ(read(a, &c, 1), 0);
    int d = t_un_connected("m", SOCK_STREAM);
    close(d);
    OK(accept(m, NULL, NULL));
    t_pass();
}
