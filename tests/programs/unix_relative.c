// needs: any; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// Sockets bound by names relative to a directory that the program has left, one in a directory that was renamed, a dead link to one.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("a", 0755)), OK(mkdir("b", 0755)), OK(mkdir("c", 0755));
    struct sockaddr_un name = {AF_UNIX, "s"};
    int s[2];
    for (int i = 0; i < 2; i++) {
        OK(chdir(i ? "../b" : "a"));
        s[i] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(bind(s[i], (void *)&name, sizeof name)), OK(listen(s[i], 2));
    }
    OK(chdir("../c"));
    OK(rename("../b", "../renamed"));
    t_go();
    for (int i = 0; i < 2; i++) {
        OK(chdir(i ? "../renamed" : "../a"));
        int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(c, (void *)&name, sizeof name));
        int got = OK(accept(s[i], NULL, NULL));
        struct sockaddr_un now = {0};
        socklen_t len = sizeof now;
        OK(getpeername(c, (void *)&now, &len)), STREQ(now.sun_path, "s");
        close(got), close(c);
    }
    t_pass();
}
