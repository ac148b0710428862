// needs: any; names: any; go: term; row: "Task: interrupted system call"
// Blocked in pause until SIGTERM; the program counts wakeups, there must be one.
#include "harness.h"
static volatile sig_atomic_t term;
static void handler(int s) { term++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGTERM, handler);
    t_ready();
    FAILS(pause(), EINTR);
    EQ(term, 1);
    t_pass();
}
