// needs: root; names: any; row: "Unix sockets: bound (path, abstract, unlinked path)"
// Sockets whose file was renamed, given to another user and closed to all; one under a link; both listening ones are found at their new names.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
static int bound(const char *path, int type) {
    struct sockaddr_un a = {AF_UNIX, ""};
    strcpy(a.sun_path, path);
    int s = OK(socket(AF_UNIX, type, 0));
    OK(bind(s, (void *)&a, sizeof a));
    return s;
}
static int to(const char *path, int type) {
    struct sockaddr_un a = {AF_UNIX, ""};
    strcpy(a.sun_path, path);
    int s = OK(socket(AF_UNIX, type, 0));
    OK(connect(s, (void *)&a, sizeof a));
    return s;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int one = bound("one", SOCK_STREAM), two = bound("two", SOCK_DGRAM), three = bound("three", SOCK_SEQPACKET);
    OK(listen(one, 5)), OK(listen(three, 5));
    OK(rename("one", "moved")), OK(chmod("moved", 0601)), OK(chown("moved", 1234, 4321));
    OK(link("two", "twin"));
    int c2 = to("twin", SOCK_DGRAM);
    OK(chmod("three", 0));
    t_go();
    struct sockaddr_un a;
    socklen_t len = sizeof a;
    OK(getsockname(one, (void *)&a, &len)), STREQ(a.sun_path, "one");
    struct stat s;
    OK(stat("moved", &s)), EQ(s.st_mode & 07777, 0601), EQ(s.st_uid, 1234), EQ(s.st_gid, 4321);
    int c1 = to("moved", SOCK_STREAM), a1 = OK(accept(one, NULL, NULL));
    t_write(c1, "hello", 5);
    char b[8];
    t_read(a1, b, 5);
    EQ(send(c2, "datagram", 8, 0), 8);
    EQ(recv(two, b, 8, 0), 8);
    int c3 = to("three", SOCK_SEQPACKET), a3 = OK(accept(three, NULL, NULL));
    t_write(a3, "x", 1), EQ(recv(c3, b, 8, 0), 1);
    OK(stat("three", &s)), EQ(s.st_mode & 07777, 0);
    t_pass();
}
