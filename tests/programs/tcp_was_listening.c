// needs: any; names: any; row: "Internet: listening (backlog, reuse)"
// A listener that was shut down, one whose backlog holds a reset connection and a closed one, a reset connection with its error unread.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
static int listener(struct sockaddr_in *a) {
    int l = OK(socket(AF_INET, SOCK_STREAM, 0));
    *a = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(bind(l, (void *)a, sizeof *a)), OK(listen(l, 5));
    socklen_t len = sizeof *a;
    OK(getsockname(l, (void *)a, &len));
    return l;
}
static int dial(struct sockaddr_in *a) {
    int c = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(connect(c, (void *)a, sizeof *a));
    return c;
}
static void reset(int s) {
    struct linger now = {1, 0};
    OK(setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(s);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in a, b;
    int was = listener(&a), l = listener(&b);
    OK(shutdown(was, SHUT_RDWR));
    int closed = dial(&b);
    t_write(closed, "bye", 3), close(closed);
    int c = dial(&b);
    int first = OK(accept(l, NULL, NULL)), second = OK(accept(l, NULL, NULL));
    reset(second);
    int waiting = dial(&b);
    t_write(waiting, "wait", 4);
    t_ms(20);
    t_go();
    char x[8];
    int err = 0;
    socklen_t len = sizeof err;
    OK(getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
    EQ(err, ECONNRESET);
    EQ(OK(read(c, x, 8)), 0);
    t_read(first, x, 3), EQ(OK(read(first, x, 1)), 0);
    int s = OK(accept(l, NULL, NULL));
    t_read(s, x, 4);
    FAILS(accept(was, NULL, NULL), EINVAL);
    FAILS(connect(OK(socket(AF_INET, SOCK_STREAM, 0)), (void *)&a, sizeof a), ECONNREFUSED);
    OK(listen(was, 3));
    t_pass();
}
