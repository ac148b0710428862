// needs: any; names: any; row: "Task: interrupted system call"
// Threads waiting on a condition variable, a barrier, a semaphore and a read-write lock; a timed wait that must not end early.
#include "harness.h"
#include <semaphore.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static volatile int flag;
static void *on_cond(void *unused) {
    PT(pthread_mutex_lock(&m));
    while (!flag) PT(pthread_cond_wait(&c, &m));
    PT(pthread_mutex_unlock(&m));
    return NULL;
}
static void *on_barrier(void *unused) {
    int r = pthread_barrier_wait(&barrier);
    CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
    return NULL;
}
static void *on_sem(void *unused) {
    OK(sem_wait(&sem));
    return NULL;
}
static void *on_rw(void *unused) {
    PT(pthread_rwlock_rdlock(&rw));
    EQ(flag, 1);
    PT(pthread_rwlock_unlock(&rw));
    return NULL;
}
static void *timed(void *unused) {
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    pthread_condattr_t a;
    PT(pthread_condattr_init(&a));
    PT(pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
    PT(pthread_cond_init(&never, &a));
    struct timespec until;
    OK(clock_gettime(CLOCK_MONOTONIC, &until));
    until.tv_sec += 2;
    PT(pthread_mutex_lock(&own));
    EQ(pthread_cond_timedwait(&never, &own, &until), ETIMEDOUT);
    double late = t_now(CLOCK_MONOTONIC) - until.tv_sec - until.tv_nsec / 1e9;
    if (late < 0 || late > 20) FAIL("timed wait ended %f s after its time", late);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    PT(pthread_barrier_init(&barrier, NULL, 3));
    OK(sem_init(&sem, 0, 0));
    PT(pthread_rwlock_wrlock(&rw));
    pthread_t t[] = {t_thread(on_cond, NULL), t_thread(on_cond, NULL), t_thread(on_barrier, NULL), t_thread(on_barrier, NULL),
                     t_thread(on_sem, NULL),  t_thread(on_rw, NULL),   t_thread(timed, NULL)};
    t_ms(50);
    t_go();
    PT(pthread_mutex_lock(&m));
    flag = 1;
    PT(pthread_cond_broadcast(&c));
    PT(pthread_mutex_unlock(&m));
    PT(pthread_rwlock_unlock(&rw));
    OK(sem_post(&sem));
    on_barrier(NULL);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
