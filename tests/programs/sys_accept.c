// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in accept (unix and TCP), in recv, recvmsg, recvfrom, with and without SO_RCVTIMEO.
#include "harness.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
static int un, in, s[2], r[2];
static struct sockaddr_in addr = {.sin_family = AF_INET};
static void *accepts(void *arg) {
    int fd = OK(accept((long)arg ? in : un, NULL, NULL));
    CHECK(t_exists("go"));
    t_write(fd, "hi", 2);
    close(fd);
    return NULL;
}
static void *receives(void *arg) {
    char x[8];
    int fd = (long)arg ? r[0] : s[0];
    EQ(OK(recv(fd, x, sizeof x, 0)), 3);
    MEMEQ(x, "abc", 3);
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    un = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "listener"};
    OK(bind(un, (void *)&path, sizeof path));
    OK(listen(un, 5));
    in = OK(socket(AF_INET, SOCK_STREAM, 0));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof addr;
    OK(bind(in, (void *)&addr, len));
    OK(listen(in, 5));
    OK(getsockname(in, (void *)&addr, &len));
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, r));
    struct timeval tv = {600, 0};
    OK(setsockopt(r[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
    pthread_t t[] = {t_thread(accepts, 0), t_thread(accepts, 1), t_thread(receives, 0), t_thread(receives, 1)};
    t_ms(50);
    t_go();
    char x[2];
    int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(connect(c, (void *)&path, sizeof path));
    t_read(c, x, 2);
    MEMEQ(x, "hi", 2);
    c = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(c, (void *)&addr, sizeof addr));
    t_read(c, x, 2);
    MEMEQ(x, "hi", 2);
    t_write(s[1], "abc", 3);
    t_write(r[1], "abc", 3);
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
