// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// Stopped in handlers of faults on alternate stacks, in two threads; each repairs the cause and returns to the instruction.
#include "harness.h"
static char *page[2];
static void on(int sig, siginfo_t *si, void *c) {
    int i = (char *)si->si_addr >= page[1] && (char *)si->si_addr < page[1] + PAGE;
    char here;
    stack_t s;
    OK(sigaltstack(NULL, &s));
    CHECK(s.ss_flags & SS_ONSTACK), CHECK(&here >= (char *)s.ss_sp && &here < (char *)s.ss_sp + s.ss_size);
    t_mark(t_text("fault%d", i));
    t_wait();
    OK(sigaltstack(NULL, &s));
    CHECK(s.ss_flags & SS_ONSTACK);
    OK(mprotect(page[i], PAGE, PROT_READ | PROT_WRITE));
}
static void *run(void *arg) {
    long i = (long)arg;
    stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536};
    OK(sigaltstack(&s, NULL));
    volatile double sum = 1.5 + i;
    page[i][100] = 'x';
    EQ(page[i][100], 'x');
    EQ(sum * 2, 3 + 2 * i);
    OK(sigaltstack(NULL, &s));
    EQ(s.ss_flags, 0);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int i = 0; i < 2; i++) page[i] = t_map(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    OK(sigaction(SIGSEGV, &sa, NULL));
    pthread_t a = t_thread(run, 0), b = t_thread(run, 1);
    t_await("fault0"), t_await("fault1");
    t_go();
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_pass();
}
