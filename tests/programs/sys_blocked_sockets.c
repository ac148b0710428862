// needs: any; names: any; row: "Task: interrupted system call"
// Threads blocked in socket calls: connect to a full backlog, sends to full queues, receives with timeouts and of many messages.
#include "harness.h"
#include <sys/socket.h>
#include <sys/un.h>
enum { N = 6 };
static int s[N][2], listener;
static struct sockaddr_un name = {AF_UNIX, "listening"};
static void *run(void *arg) {
    long i = (long)arg;
    static __thread char b[400000];
    t_mark(t_text("t%ld", i));
    switch (i) {
    case 0: {
        int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
        OK(connect(c, (void *)&name, sizeof name));
        t_write(c, "late", 4);
        break;
    }
    case 1: t_write(s[1][0], b, 400000); break;
    case 2: EQ(OK(send(s[2][0], "one more", 8, 0)), 8); break;
    case 3: {
        struct timeval tv = {500, 0};
        OK(setsockopt(s[3][0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
        EQ(OK(recv(s[3][0], b, 10, 0)), 3);
        break;
    }
    case 4: {
        struct iovec io[3] = {{b, 10}, {b + 10, 10}, {b + 20, 10}};
        struct mmsghdr m[3] = {{{.msg_iov = io, .msg_iovlen = 1}, 0}, {{.msg_iov = io + 1, .msg_iovlen = 1}, 0}, {{.msg_iov = io + 2, .msg_iovlen = 1}, 0}};
        EQ(OK(recvmmsg(s[4][0], m, 3, 0, NULL)), 3);
        MEMEQ(b + 20, "third", 5);
        break;
    }
    case 5: {
        // what interrupts it has it return what it has
        ssize_t n = OK(recv(s[5][0], b, 10, MSG_WAITALL));
        CHECK(n == 4 || n == 10);
        if (n < 10) EQ(OK(recv(s[5][0], b + n, 10 - n, MSG_WAITALL)), 10 - n);
        MEMEQ(b, "0123456789", 10);
        break;
    }
    }
    t_mark(t_text("done%ld", i));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int i = 0; i < N; i++) OK(socketpair(AF_UNIX, i == 2 || i == 4 ? SOCK_DGRAM : SOCK_STREAM, 0, s[i]));
    listener = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(bind(listener, (void *)&name, sizeof name)), OK(listen(listener, 0));
    int first = OK(socket(AF_UNIX, SOCK_STREAM, 0));
    OK(connect(first, (void *)&name, sizeof name));
    int queued = 0;
    while (send(s[2][0], "full", 4, MSG_DONTWAIT) == 4) queued++;
    t_write(s[5][1], "0123", 4);
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < N; i++) t_await(t_text("t%d", i));
    t_ms(60);
    t_go();
    for (int i = 0; i < N; i++) CHECK(!t_exists(t_text("done%d", i)));
    static char b[400000];
    int a = OK(accept(listener, NULL, NULL)), a2 = OK(accept(listener, NULL, NULL));
    t_read(a2, b, 4), MEMEQ(b, "late", 4);
    (void)a;
    t_read(s[1][1], b, 400000);
    for (int i = 0; i < queued; i++) EQ(OK(recv(s[2][1], b, 10, 0)), 4);
    EQ(OK(recv(s[2][1], b, 10, 0)), 8);
    t_write(s[3][1], "abc", 3);
    t_write(s[4][1], "first", 5), t_write(s[4][1], "second", 6), t_write(s[4][1], "third", 5);
    t_write(s[5][1], "456789", 6);
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
