// needs: any; names: any; row: "Memory: stack with guard and growth"
// The guard page below a thread's stack still faults, on an alternate signal stack.
#include "harness.h"
#include <setjmp.h>
static sigjmp_buf back;
static void fault(int sig) { siglongjmp(back, 1); }
static void *run(void *unused) {
    stack_t alt = {.ss_sp = malloc(65536), .ss_size = 65536};
    OK(sigaltstack(&alt, NULL));
    pthread_attr_t attr;
    PT(pthread_getattr_np(pthread_self(), &attr));
    void *low;
    size_t size, guard;
    PT(pthread_attr_getstack(&attr, &low, &size));
    PT(pthread_attr_getguardsize(&attr, &guard));
    EQ(guard, PAGE);
    t_mark("thread");
    t_wait();
    volatile char *g = (char *)low - 1;
    volatile int faulted = 0;
    if (sigsetjmp(back, 1)) faulted = 1;
    else *g = 1;
    EQ(faulted, 1);
    ((volatile char *)low)[0] = 1;
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction sa = {.sa_handler = fault, .sa_flags = SA_ONSTACK};
    OK(sigaction(SIGSEGV, &sa, NULL));
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    t_go();
    PT(pthread_join(t, NULL));
    t_pass();
}
