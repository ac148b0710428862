// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// A family in one memory: a child with handlers of its own, its child with threads' worth of sharing, another with its own group,
// umask and descriptors. Each has its own handlers, masks, stacks, and what it shares stays shared.
#include "harness.h"
static char stacks[3][65536] __attribute__((aligned(16)));
static volatile int ready[3], step, hits[4], answers[3];
static volatile pid_t grandchild;
static void one(int s) { hits[0]++; }
static void two(int s) { hits[1]++; }
static void three(int s) { hits[2]++; }
static void four(int s) { hits[3]++; }
static void wait_for(int wanted) {
    while (step < wanted) t_ms(2);
}
// shares memory and handlers with its parent, which has handlers of its own
static int inner(void *u) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    ready[1] = 1;
    wait_for(1);
    OK(kill(getpid(), SIGUSR1)); // its parent's handler
    OK(kill(getpid(), SIGUSR2)); // blocked
    OK(sigpending(&set));
    answers[1] = sigismember(&set, SIGUSR2) ? 21 : 20;
    return 5;
}
static int outer(void *u) {
    signal(SIGUSR1, two);
    signal(SIGUSR2, three);
    grandchild = OK(clone(inner, stacks[1] + sizeof stacks[1], CLONE_VM | CLONE_SIGHAND | CLONE_FILES | SIGCHLD, NULL));
    ready[0] = 1;
    wait_for(1);
    int status;
    while (waitpid(grandchild, &status, 0) < 0 && errno == EINTR) {}
    answers[0] = status == 5 << 8 && getppid() == *(volatile pid_t *)u ? 10 : 9;
    OK(kill(getpid(), SIGUSR2));
    return 6;
}
static int other(void *u) {
    OK(setpgid(0, 0));
    umask(031);
    OK(dup2(0, 77));
    signal(SIGUSR1, four);
    signal(SIGTRAP, four);
    ready[2] = 1;
    wait_for(1);
    OK(kill(getpid(), SIGTRAP));
    answers[2] = umask(022) == 031 && getpgrp() == getpid() && fcntl(77, F_GETFD) == 0 ? 30 : 29;
    return 7;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, one);
    umask(022);
    static volatile pid_t self;
    self = getpid();
    pid_t child = OK(clone(outer, stacks[0] + sizeof stacks[0], CLONE_VM | SIGCHLD, (void *)&self));
    pid_t lone = OK(clone(other, stacks[2] + sizeof stacks[2], CLONE_VM | SIGCHLD, NULL));
    for (int i = 0; i < 3; i++)
        while (!ready[i]) t_ms(2);
    t_go();
    step = 1;
    t_reap_at(__LINE__, child, 6 << 8);
    t_reap_at(__LINE__, lone, 7 << 8);
    EQ(answers[0], 10);
    EQ(answers[1], 21);
    EQ(answers[2], 30);
    OK(kill(getpid(), SIGUSR1));
    EQ(hits[0], 1);
    EQ(hits[1], 1);
    EQ(hits[2], 1);
    EQ(hits[3], 1);
    EQ(fcntl(77, F_GETFD), -1);
    EQ(umask(0), 022);
    CHECK(signal(SIGTRAP, SIG_DFL) == SIG_DFL);
    t_pass();
}
