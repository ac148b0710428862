// needs: any; names: any; slow; row: "Task: name (comm)"
// 800 threads asleep on one condition variable.
#include "harness.h"
enum { N = 800 };
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static volatile int flag, up;
static void *run(void *arg) {
    pid_t tid = gettid();
    PT(pthread_mutex_lock(&m));
    up++;
    while (!flag) PT(pthread_cond_wait(&c, &m));
    PT(pthread_mutex_unlock(&m));
    EQ(gettid(), tid);
    return arg;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[N];
    pthread_attr_t a;
    PT(pthread_attr_init(&a)), PT(pthread_attr_setstacksize(&a, 65536));
    for (long i = 0; i < N; i++) PT(pthread_create(&t[i], &a, run, (void *)i));
    while (up < N) t_ms(10);
    t_go();
    PT(pthread_mutex_lock(&m));
    flag = 1;
    PT(pthread_cond_broadcast(&c)), PT(pthread_mutex_unlock(&m));
    for (long i = 0; i < N; i++) {
        void *r;
        PT(pthread_join(t[i], &r));
        EQ((long)r, i);
    }
    t_pass();
}
