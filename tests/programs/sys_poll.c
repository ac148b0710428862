// needs: any; names: any; row: "Task: interrupted system call"
// Threads in poll (finite and infinite), ppoll, select, pselect and epoll_wait on one pipe: woken by data only, no EINTR.
#include "harness.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static int p[2];
static void *polls(void *arg) {
    long kind = (long)arg;
    struct pollfd f = {.fd = p[0], .events = POLLIN};
    struct timespec ts = {600, 0};
    struct timeval tv = {600, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    int ep = OK(epoll_create1(0));
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
    e.data.u64 = 0;
    int n;
    switch (kind) {
    case 0: n = poll(&f, 1, -1); break;
    case 1: n = poll(&f, 1, 600000); break;
    case 2: n = ppoll(&f, 1, NULL, NULL); break;
    case 3: n = ppoll(&f, 1, &ts, NULL); break;
    case 4: n = select(p[0] + 1, &set, NULL, NULL, NULL); break;
    case 5: n = select(p[0] + 1, &set, NULL, NULL, &tv); break;
    case 6: n = pselect(p[0] + 1, &set, NULL, NULL, &ts, NULL); break;
    case 7: n = epoll_wait(ep, &e, 1, -1); break;
    default: n = epoll_wait(ep, &e, 1, 600000); break;
    }
    if (n != 1) FAIL("kind %ld: %d (%s)", kind, n, strerror(errno));
    if (!t_exists("go")) FAIL("kind %ld returned too early", kind);
    if (kind < 4) EQ(f.revents, POLLIN);
    if (kind >= 4 && kind < 7) CHECK(FD_ISSET(p[0], &set));
    if (kind >= 7) EQ(e.data.u64, 0x1122334455667788);
    if (kind == 5 && (tv.tv_sec < 400 || tv.tv_sec > 599)) FAIL("select left %ld s", (long)tv.tv_sec);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(pipe(p));
    pthread_t t[9];
    for (long i = 0; i < 9; i++) t[i] = t_thread(polls, i);
    t_ms(50);
    t_go();
    t_write(p[1], "x", 1);
    for (int i = 0; i < 9; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
