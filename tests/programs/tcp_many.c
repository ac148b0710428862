// needs: any; names: any; row: "Internet: listening (backlog, reuse), established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// Forty connections of one port, each with another amount of data both ways, some shut down, held by two processes.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
enum { N = 40 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    int l = OK(socket(AF_INET, SOCK_STREAM, 0)), c[N], s[N];
    struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    OK(bind(l, (void *)&a, sizeof a)), OK(listen(l, N));
    socklen_t len = sizeof a;
    OK(getsockname(l, (void *)&a, &len));
    static char data[20000], back[20000];
    t_fill(data, sizeof data, 3);
    for (int i = 0; i < N; i++) c[i] = OK(socket(AF_INET, SOCK_STREAM, 0)), OK(connect(c[i], (void *)&a, sizeof a)), s[i] = OK(accept(l, NULL, NULL));
    for (int i = 0; i < N; i++) {
        t_write(c[i], data, i * 400), t_write(s[i], data + 1, (N - i) * 300);
        if (i % 5 == 0) OK(shutdown(c[i], SHUT_WR));
        if (i % 7 == 0) OK(shutdown(s[i], SHUT_WR));
    }
    pid_t pid = t_fork();
    if (!pid) {
        for (int i = 0; i < N; i++) close(c[i]);
        t_mark("child");
        t_wait();
        for (int i = 0; i < N; i++) {
            t_read(s[i], back, i * 400), MEMEQ(back, data, i * 400);
            if (i % 5 == 0) EQ(OK(read(s[i], back, 1)), 0);
        }
        _exit(0);
    }
    for (int i = 0; i < N; i++) close(s[i]);
    t_await("child");
    t_go();
    for (int i = 0; i < N; i++) {
        t_read(c[i], back, (N - i) * 300), MEMEQ(back, data + 1, (N - i) * 300);
        if (i % 7 == 0) EQ(OK(read(c[i], back, 1)), 0);
    }
    t_reap(pid);
    t_pass();
}
