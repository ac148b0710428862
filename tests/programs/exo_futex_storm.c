// needs: any; names: any; row: "Task: interrupted system call"
// Sixteen threads pass tokens through mutexes and condition variables without pause; none is lost.
#include "harness.h"
enum { N = 16 };
static pthread_mutex_t m[N];
static pthread_cond_t c[N];
static long tokens[N];
static volatile int stop;
static void *run(void *arg) {
    long me = (long)arg, next = (me + 1) % N;
    for (;;) {
        PT(pthread_mutex_lock(&m[me]));
        while (!tokens[me] && !stop) PT(pthread_cond_wait(&c[me], &m[me]));
        bool take = tokens[me] > 0 && !stop;
        if (take) tokens[me]--;
        PT(pthread_mutex_unlock(&m[me]));
        if (!take) return NULL;
        PT(pthread_mutex_lock(&m[next]));
        tokens[next]++;
        PT(pthread_cond_signal(&c[next]));
        PT(pthread_mutex_unlock(&m[next]));
    }
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[N];
    for (int i = 0; i < N; i++) pthread_mutex_init(&m[i], NULL), pthread_cond_init(&c[i], NULL), tokens[i] = i % 2;
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    t_go();
    t_ms(200);
    stop = 1;
    for (int i = 0; i < N; i++) {
        PT(pthread_mutex_lock(&m[i]));
        PT(pthread_cond_broadcast(&c[i]));
        PT(pthread_mutex_unlock(&m[i]));
    }
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    long sum = 0;
    for (int i = 0; i < N; i++) sum += tokens[i];
    EQ(sum, N / 2);
    t_pass();
}
