// needs: any; names: any; row: "IPC: futexes need nothing"
// Two processes take turns by a process-shared condition variable a thousand times, before, during and after the go signal.
#include "harness.h"
typedef struct {
    pthread_mutex_t m;
    pthread_cond_t c;
    volatile long turn, stop;
} shared;
static void play(shared *s, int me, long *count) {
    PT(pthread_mutex_lock(&s->m));
    for (;;) {
        while (s->turn % 2 != me) PT(pthread_cond_wait(&s->c, &s->m));
        if (s->stop && s->turn >= s->stop) break;
        ++*count;
        s->turn++;
        PT(pthread_cond_broadcast(&s->c));
        if (*count % 50 == 0) {
            PT(pthread_mutex_unlock(&s->m));
            t_ms(1);
            PT(pthread_mutex_lock(&s->m));
        }
    }
    s->turn++;
    PT(pthread_cond_broadcast(&s->c));
    PT(pthread_mutex_unlock(&s->m));
}
static void *stopper(void *arg) {
    shared *s = arg;
    t_wait();
    t_ms(100);
    PT(pthread_mutex_lock(&s->m));
    s->stop = s->turn + 1000;
    PT(pthread_mutex_unlock(&s->m));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    shared *s = t_map(sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    pthread_mutexattr_t a;
    PT(pthread_mutexattr_init(&a)), PT(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED)), PT(pthread_mutex_init(&s->m, &a));
    pthread_condattr_t ca;
    PT(pthread_condattr_init(&ca)), PT(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED)), PT(pthread_cond_init(&s->c, &ca));
    pid_t pid = t_fork();
    long count = 0;
    if (!pid) {
        play(s, 1, &count);
        _exit(0);
    }
    pthread_t t = t_thread(stopper, s);
    t_ready();
    play(s, 0, &count);
    PT(pthread_join(t, NULL));
    t_reap(pid);
    CHECK(count >= 500);
    CHECK(s->turn >= s->stop);
    t_pass();
}
