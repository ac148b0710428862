// needs: any; names: any; row: "Task: robust list"
// Recursive, errorcheck, PI mutexes and a write lock held by the main thread of a process.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_mutex_t m[3];
    pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
    for (int i = 0; i < 3; i++) {
        pthread_mutexattr_t a;
        PT(pthread_mutexattr_init(&a));
        PT(pthread_mutexattr_settype(&a, i == 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_ERRORCHECK));
        if (i == 2) PT(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
        PT(pthread_mutex_init(&m[i], &a));
        PT(pthread_mutex_lock(&m[i]));
    }
    PT(pthread_mutex_lock(&m[0]));
    PT(pthread_rwlock_wrlock(&rw));
    t_go();
    EQ(pthread_mutex_lock(&m[1]), EDEADLK);
    EQ(pthread_mutex_lock(&m[2]), EDEADLK);
    EQ(pthread_rwlock_wrlock(&rw), EDEADLK);
    PT(pthread_rwlock_unlock(&rw));
    PT(pthread_mutex_lock(&m[0]));
    for (int i = 0; i < 3; i++) PT(pthread_mutex_unlock(&m[0]));
    EQ(pthread_mutex_unlock(&m[0]), EPERM);
    PT(pthread_mutex_unlock(&m[1]));
    PT(pthread_mutex_unlock(&m[2]));
    EQ(pthread_mutex_unlock(&m[2]), EPERM);
    t_pass();
}
