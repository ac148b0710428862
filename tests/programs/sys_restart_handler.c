// needs: any; names: any; row: "Task: interrupted system call"
// A read under SA_RESTART goes on after a signal, one without returns EINTR, both blocked over the go signal.
#include "harness.h"
static volatile sig_atomic_t hits;
static void handler(int s) { hits++; }
static int p[2], q[2];
static void *plain(void *u) {
    char c;
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGUSR1);
    PT(pthread_sigmask(SIG_BLOCK, &s, NULL));
    t_mark("plain");
    FAILS(read(q[0], &c, 1), EINTR);
    return NULL;
}
static void *restarts(void *u) {
    char c;
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGUSR2);
    PT(pthread_sigmask(SIG_BLOCK, &s, NULL));
    t_mark("restarts");
    EQ(OK(read(p[0], &c, 1)), 1);
    EQ(c, 'r');
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(pipe(p)), OK(pipe(q));
    struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}, b = {.sa_handler = handler};
    OK(sigaction(SIGUSR1, &a, NULL));
    OK(sigaction(SIGUSR2, &b, NULL));
    pthread_t r = t_thread(restarts, NULL), n = t_thread(plain, NULL);
    t_await("plain"), t_await("restarts");
    t_ms(30);
    t_go();
    PT(pthread_kill(r, SIGUSR1));
    PT(pthread_kill(n, SIGUSR2));
    for (int i = 0; i < 500 && hits < 2; i++) t_ms(10);
    EQ(hits, 2);
    t_write(p[1], "r", 1);
    PT(pthread_join(r, NULL));
    PT(pthread_join(n, NULL));
    t_pass();
}
