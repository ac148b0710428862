// needs: any; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// A bound path unlinked, and one replaced by another socket: names stay, the right one is reached by path.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int gone = t_un_bound("gone", SOCK_STREAM, 5), a = t_un_connected("gone", SOCK_STREAM);
    OK(unlink("gone"));
    int old = t_un_bound("p", SOCK_DGRAM, -1), to_old = t_un_connected("p", SOCK_DGRAM);
    OK(unlink("p"));
    int new = t_un_bound("p", SOCK_DGRAM, -1);
    t_say(to_old, "old message");
    t_go();
    FAILS(access("gone", F_OK), ENOENT);
    struct sockaddr_un n;
    socklen_t len = sizeof n;
    OK(getsockname(gone, (void *)&n, &len));
    STREQ(n.sun_path, "gone");
    int s = OK(accept(gone, NULL, NULL));
    t_say(a, "x"), t_stream(s, "x");
    t_message(old, "old message");
    t_say(to_old, "still old"), t_message(old, "still old");
    int c = t_un_connected("p", SOCK_DGRAM);
    t_say(c, "new one"), t_message(new, "new one");
    len = sizeof n;
    OK(getsockname(old, (void *)&n, &len));
    STREQ(n.sun_path, "p");
    struct stat st;
    OK(stat("p", &st));
    CHECK(S_ISSOCK(st.st_mode));
    t_pass();
}
