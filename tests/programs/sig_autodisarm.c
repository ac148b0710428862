// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// Alternate signal stacks: disarmed in use (SS_AUTODISARM), the smallest, disabled again, one of each thread.
#include "harness.h"
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
static char area[65536];
static volatile int in_handler;
static void on(int sig) {
    stack_t s;
    char here;
    CHECK(&here > area && &here < area + sizeof area);
    OK(sigaltstack(NULL, &s));
    EQ(s.ss_flags, SS_DISABLE);
    in_handler++;
    t_go();
    OK(sigaltstack(NULL, &s));
    EQ(s.ss_flags, SS_DISABLE);
}
static void *run(void *arg) {
    stack_t s = {.ss_sp = malloc(8192), .ss_size = 8192}, now;
    if (arg) OK(sigaltstack(&s, NULL));
    t_mark(arg ? "with" : "without");
    t_wait();
    OK(sigaltstack(NULL, &now));
    if (arg) EQ((long)now.ss_sp, (long)s.ss_sp), EQ(now.ss_size, 8192), EQ(now.ss_flags, 0);
    else EQ(now.ss_flags, SS_DISABLE);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t a = t_thread(run, 0), b = t_thread(run, 1);
    t_await("with"), t_await("without");
    stack_t s = {.ss_sp = area, .ss_size = sizeof area, .ss_flags = (int)SS_AUTODISARM}, now;
    OK(sigaltstack(&s, NULL));
    struct sigaction sa = {.sa_handler = on, .sa_flags = SA_ONSTACK};
    OK(sigaction(SIGUSR1, &sa, NULL));
    raise(SIGUSR1);
    EQ(in_handler, 1);
    OK(sigaltstack(NULL, &now));
    EQ((long)now.ss_sp, (long)area), EQ(now.ss_size, sizeof area), EQ(now.ss_flags, (int)SS_AUTODISARM);
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_pass();
}
