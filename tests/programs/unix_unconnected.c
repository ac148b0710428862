// needs: any; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// Sockets neither bound nor connected, bound and not listening, a relative path seen from another directory.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), b = t_un_bound("b", SOCK_STREAM, -1), d = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(mkdir("sub", 0755)), OK(chdir("sub"));
    int rel = t_un_bound("../rel", SOCK_DGRAM, -1);
    OK(chdir(".."));
    t_go();
    CHECK(fcntl(a, F_GETFL) & O_NONBLOCK);
    struct sockaddr_un u = t_un("b"), n;
    FAILS(connect(a, (void *)&u, sizeof u), ECONNREFUSED);
    OK(listen(b, 3)), OK(connect(a, (void *)&u, sizeof u));
    int s = OK(accept(b, NULL, NULL));
    t_say(s, "hi"), t_stream(a, "hi");
    u = t_un("rel");
    OK(sendto(d, "rel", 3, 0, (void *)&u, sizeof u)), t_message(rel, "rel");
    socklen_t len = sizeof n;
    OK(getsockname(rel, (void *)&n, &len));
    STREQ(n.sun_path, "../rel");
    t_pass();
}
