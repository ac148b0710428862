// needs: any; names: any; row: "Task: robust list"
// Normal, recursive, errorcheck, PI and robust mutexes held by a thread and waited for by others.
#include "harness.h"
enum { KINDS = 6 };
static pthread_mutex_t m[KINDS];
static volatile int got[KINDS];
static void init(int i) {
    pthread_mutexattr_t a;
    PT(pthread_mutexattr_init(&a));
    if (i == 1 || i == 5) PT(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE));
    if (i == 2) PT(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK));
    if (i == 3 || i == 5) PT(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    if (i == 4 || i == 5) PT(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    PT(pthread_mutex_init(&m[i], &a));
}
static void *holder(void *unused) {
    for (int i = 0; i < KINDS; i++) PT(pthread_mutex_lock(&m[i]));
    PT(pthread_mutex_lock(&m[1]));
    PT(pthread_mutex_lock(&m[5]));
    t_mark("held");
    t_wait();
    for (int i = 0; i < KINDS; i++) EQ(got[i], 0);
    EQ(pthread_mutex_lock(&m[2]), EDEADLK);
    PT(pthread_mutex_lock(&m[1]));
    PT(pthread_mutex_unlock(&m[1]));
    PT(pthread_mutex_unlock(&m[1]));
    PT(pthread_mutex_unlock(&m[5]));
    for (int i = 0; i < KINDS; i++) PT(pthread_mutex_unlock(&m[i]));
    return NULL;
}
static void *waiter(void *arg) {
    long i = (long)arg;
    if (i == 2) EQ(pthread_mutex_unlock(&m[2]), EPERM);
    PT(pthread_mutex_lock(&m[i]));
    got[i] = 1;
    PT(pthread_mutex_unlock(&m[i]));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    for (int i = 0; i < KINDS; i++) init(i);
    pthread_t h = t_thread(holder, NULL), w[KINDS];
    t_await("held");
    for (long i = 0; i < KINDS; i++) w[i] = t_thread(waiter, i);
    t_ms(50);
    t_go();
    PT(pthread_join(h, NULL));
    for (int i = 0; i < KINDS; i++) PT(pthread_join(w[i], NULL));
    for (int i = 0; i < KINDS; i++) EQ(got[i], 1);
    t_pass();
}
