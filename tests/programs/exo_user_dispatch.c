// needs: any; names: kernel; row: "Task: syscall user dispatch"
// Syscall user dispatch with its selector: still caught afterwards.
#include "harness.h"
#include <sys/prctl.h>
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
static volatile char selector;
static volatile int caught, nr;
static void handler(int s, siginfo_t *si, void *c) {
    selector = 0;
    caught++, nr = si->si_syscall;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    OK(sigaction(SIGSYS, &a, NULL));
    OK(prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector));
    t_go();
    EQ(caught, 0);
    selector = 1;
    syscall(SYS_getpriority, 0, 0);
    EQ(caught, 1);
    EQ(nr, SYS_getpriority);
    EQ(selector, 0);
    t_pass();
}
