// needs: any; names: any; row: "Process: futex"
// Waiters that were requeued from one futex to another; PI futexes held by one thread and waited for by two; a requeued PI waiter.
#include "harness.h"
static int a, b, done;
static pthread_mutex_t pi;
static void *waiter(void *arg) {
    t_mark(t_text("w%ld", (long)arg));
    while (__atomic_load_n(&a, __ATOMIC_SEQ_CST) == 0) syscall(SYS_futex, &a, 0 | 128, 0, NULL);
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
    return NULL;
}
static void *locker(void *arg) {
    t_mark(t_text("l%ld", (long)arg));
    PT(pthread_mutex_lock(&pi));
    CHECK(t_exists("go"));
    PT(pthread_mutex_unlock(&pi));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_mutexattr_t at;
    PT(pthread_mutexattr_init(&at)), PT(pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT)), PT(pthread_mutex_init(&pi, &at));
    PT(pthread_mutex_lock(&pi));
    pthread_t w[3], l[2];
    for (long i = 0; i < 3; i++) w[i] = t_thread(waiter, i);
    for (long i = 0; i < 2; i++) l[i] = t_thread(locker, i);
    for (int i = 0; i < 3; i++) t_await(t_text("w%d", i));
    t_await("l0"), t_await("l1");
    t_ms(60);
    OK(syscall(SYS_futex, &a, 4 | 128 /* CMP_REQUEUE */, 0, 2, &b, 0));
    t_go();
    __atomic_store_n(&a, 1, __ATOMIC_SEQ_CST);
    // who waits where after a restart is the program's to find out: both are woken
    OK(syscall(SYS_futex, &a, 1 | 128, 10)), OK(syscall(SYS_futex, &b, 1 | 128, 10));
    for (int i = 0; i < 3; i++) PT(pthread_join(w[i], NULL));
    EQ(done, 3);
    PT(pthread_mutex_unlock(&pi));
    PT(pthread_join(l[0], NULL)), PT(pthread_join(l[1], NULL));
    t_pass();
}
