// needs: any; names: any; row: "Task: interrupted system call"
// poll, select, epoll_wait, sigtimedwait and a futex with timeouts of two seconds: they time out, not early and not never.
#include "harness.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static void *waits(void *arg) {
    long kind = (long)arg;
    struct timespec ts = {2, 0};
    struct timeval tv = {2, 0};
    int word = 0, ep = OK(epoll_create1(0));
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 9);
    struct epoll_event e;
    double start = t_now(CLOCK_MONOTONIC);
    errno = 0;
    long n = -2;
    switch (kind) {
    case 0: n = poll(NULL, 0, 2000); break;
    case 1: n = select(0, NULL, NULL, NULL, &tv); break;
    case 2: n = epoll_wait(ep, &e, 1, 2000); break;
    case 3: n = sigtimedwait(&s, NULL, &ts); break;
    case 4: n = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0); break;
    case 5: n = ppoll(NULL, 0, &ts, NULL); break;
    }
    int code = errno;
    double took = t_now(CLOCK_MONOTONIC) - start;
    EQ(n, kind == 3 || kind == 4 ? -1 : 0);
    if (n) EQ(code, kind == 3 ? EAGAIN : ETIMEDOUT);
    if (took < 1.99) FAIL("kind %ld ended after %f s", kind, took);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 9);
    OK(sigprocmask(SIG_BLOCK, &s, NULL));
    pthread_t t[6];
    for (long i = 0; i < 6; i++) t[i] = t_thread(waits, i);
    t_ms(20);
    t_go();
    for (int i = 0; i < 6; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
