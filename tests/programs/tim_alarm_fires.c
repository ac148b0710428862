// needs: any; names: any; row: "Process: itimers (3)"
// An alarm of two seconds set before the go signal fires after it, once; pause returns because of it.
#include "harness.h"
static volatile sig_atomic_t hits;
static void handler(int s) { hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGALRM, handler);
    sigset_t block, old;
    sigemptyset(&block), sigaddset(&block, SIGALRM);
    OK(sigprocmask(SIG_BLOCK, &block, &old));
    double start = t_now(CLOCK_MONOTONIC);
    alarm(2);
    t_ready();
    while (!hits) FAILS(sigsuspend(&old), EINTR);
    EQ(hits, 1);
    double took = t_now(CLOCK_MONOTONIC) - start;
    if (took < 1.99) FAIL("after %f s", took);
    t_wait();
    EQ(hits, 1);
    EQ(alarm(0), 0);
    t_pass();
}
