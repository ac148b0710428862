// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// Blocked in ppoll, pselect and epoll_pwait with a mask for the time of the call: it is in force, and the old one after it.
#include "harness.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static __thread int hits;
static void on(int sig) { hits++; }
static int tid[3];
static void *run(void *arg) {
    sigset_t none, now;
    sigemptyset(&none);
    int p[2];
    OK(pipe(p));
    long i = (long)arg;
    tid[i] = t_gettid();
    t_mark(t_text("t%ld", i));
    struct timespec far = {1000, 0};
    if (i == 0) FAILS(ppoll(&(struct pollfd){p[0], POLLIN, 0}, 1, &far, &none), EINTR);
    if (i == 1) {
        fd_set r;
        FD_ZERO(&r);
        FD_SET(p[0], &r);
        FAILS(pselect(p[0] + 1, &r, NULL, NULL, NULL, &none), EINTR);
    }
    if (i == 2) {
        struct epoll_event e = {EPOLLIN, {0}};
        int ep = OK(epoll_create1(0));
        OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
        FAILS(epoll_pwait(ep, &e, 1, -1, &none), EINTR);
    }
    CHECK(t_exists("go"));
    EQ(hits, 1);
    PT(pthread_sigmask(SIG_BLOCK, NULL, &now));
    EQ(sigismember(&now, SIGUSR1), 1), EQ(sigismember(&now, SIGUSR2), 1), EQ(sigismember(&now, SIGHUP), 0);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction sa = {.sa_handler = on};
    OK(sigaction(SIGUSR1, &sa, NULL));
    sigset_t two;
    sigemptyset(&two), sigaddset(&two, SIGUSR1), sigaddset(&two, SIGUSR2);
    OK(sigprocmask(SIG_BLOCK, &two, NULL));
    pthread_t t[3];
    for (long i = 0; i < 3; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 3; i++) t_await(t_text("t%d", i));
    t_ms(60);
    t_go();
    for (int i = 0; i < 3; i++) OK(syscall(SYS_tgkill, getpid(), tid[i], SIGUSR1));
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
