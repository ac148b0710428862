// needs: any; names: any; row: "Task: interrupted system call"
// Threads in FUTEX_WAIT, WAIT_BITSET (absolute), WAIT with a long timeout and a futex in shared memory, through syscall().
#include "harness.h"
#include <linux/futex.h>
static int word[5];
static int *shared;
static void *waits(void *arg) {
    long kind = (long)arg;
    struct timespec rel = {600, 0}, abs;
    OK(clock_gettime(CLOCK_MONOTONIC, &abs));
    abs.tv_sec += 600;
    long n;
    switch (kind) {
    case 0: n = syscall(SYS_futex, &word[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0); break;
    case 1: n = syscall(SYS_futex, &word[1], FUTEX_WAIT_PRIVATE, 0, &rel, NULL, 0); break;
    case 2: n = syscall(SYS_futex, &word[2], FUTEX_WAIT_BITSET_PRIVATE, 0, &abs, NULL, 4); break;
    default: n = syscall(SYS_futex, shared, FUTEX_WAIT, 0, NULL, NULL, 0); break;
    }
    if (n) FAIL("kind %ld: %s", kind, strerror(errno));
    if (!t_exists("go")) FAIL("kind %ld woke too early", kind);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    shared = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(waits, i);
    pid_t child = t_fork();
    if (!child) {
        t_wait();
        t_ms(50);
        EQ(syscall(SYS_futex, shared, FUTEX_WAKE, 9, NULL, NULL, 0), 1);
        _exit(0);
    }
    t_ms(50);
    t_go();
    EQ(syscall(SYS_futex, &word[0], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
    EQ(syscall(SYS_futex, &word[1], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
    EQ(syscall(SYS_futex, &word[2], FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 3), 0);
    EQ(syscall(SYS_futex, &word[2], FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 6), 1);
    t_reap(child);
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
