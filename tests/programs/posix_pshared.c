// needs: any; names: any; row: "IPC: futexes need nothing"
// Process-shared mutexes (plain, robust, error checking, PI), condition variable, barrier and rwlock in shared memory.
#include "harness.h"
typedef struct {
    pthread_mutex_t m[4];
    pthread_cond_t cond;
    pthread_barrier_t bar;
    pthread_rwlock_t rw;
    volatile int flag;
} shared;
int main(int argc, char **argv) {
    t_start(argc, argv);
    shared *s = t_map(sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    for (int i = 0; i < 4; i++) {
        pthread_mutexattr_t a;
        PT(pthread_mutexattr_init(&a)), PT(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
        if (i == 1) PT(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
        if (i == 2) PT(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK));
        if (i == 3) PT(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
        PT(pthread_mutex_init(&s->m[i], &a));
    }
    pthread_condattr_t ca;
    PT(pthread_condattr_init(&ca)), PT(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED)), PT(pthread_cond_init(&s->cond, &ca));
    pthread_barrierattr_t ba;
    PT(pthread_barrierattr_init(&ba)), PT(pthread_barrierattr_setpshared(&ba, PTHREAD_PROCESS_SHARED)), PT(pthread_barrier_init(&s->bar, &ba, 3));
    pthread_rwlockattr_t ra;
    PT(pthread_rwlockattr_init(&ra)), PT(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED)), PT(pthread_rwlock_init(&s->rw, &ra));
    pid_t holder = t_fork();
    if (!holder) {
        for (int i = 0; i < 4; i++) PT(pthread_mutex_lock(&s->m[i]));
        PT(pthread_rwlock_wrlock(&s->rw));
        t_mark("held");
        t_wait();
        t_ms(50);
        EQ(pthread_mutex_lock(&s->m[2]), EDEADLK);
        s->flag = 1;
        for (int i = 0; i < 4; i++) PT(pthread_mutex_unlock(&s->m[i]));
        PT(pthread_rwlock_unlock(&s->rw));
        int r = pthread_barrier_wait(&s->bar);
        CHECK(!r || r == PTHREAD_BARRIER_SERIAL_THREAD);
        PT(pthread_mutex_lock(&s->m[0]));
        s->flag = 2;
        PT(pthread_cond_broadcast(&s->cond)), PT(pthread_mutex_unlock(&s->m[0]));
        _exit(0);
    }
    t_await("held");
    pid_t w[2];
    for (int k = 0; k < 2; k++) {
        w[k] = t_fork();
        if (w[k]) continue;
        t_mark(t_text("w%d", k));
        if (k) PT(pthread_rwlock_rdlock(&s->rw));
        else
            for (int i = 0; i < 4; i++) PT(pthread_mutex_lock(&s->m[i]));
        EQ(s->flag, 1);
        if (k) PT(pthread_rwlock_unlock(&s->rw));
        else
            for (int i = 1; i < 4; i++) PT(pthread_mutex_unlock(&s->m[i]));
        if (k) PT(pthread_mutex_lock(&s->m[0]));
        else {
            while (s->flag != 2) {
                static int joined;
                if (!joined++) {
                    PT(pthread_mutex_unlock(&s->m[0]));
                    pthread_barrier_wait(&s->bar);
                    PT(pthread_mutex_lock(&s->m[0]));
                    continue;
                }
                PT(pthread_cond_wait(&s->cond, &s->m[0]));
            }
            PT(pthread_mutex_unlock(&s->m[0]));
            _exit(0);
        }
        PT(pthread_mutex_unlock(&s->m[0]));
        pthread_barrier_wait(&s->bar);
        _exit(0);
    }
    t_await("w0"), t_await("w1");
    t_ms(50);
    t_go();
    t_reap(holder), t_reap(w[0]), t_reap(w[1]);
    t_pass();
}
