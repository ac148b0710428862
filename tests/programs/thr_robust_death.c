// needs: any; names: any; row: "Task: robust list"
// A thread and a process die holding robust mutexes: the next owner gets EOWNERDEAD, so the robust list is registered.
#include "harness.h"
static pthread_mutex_t m;
static void *dies(void *unused) {
    PT(pthread_mutex_lock(&m));
    t_mark("held");
    t_wait();
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_mutexattr_t a;
    PT(pthread_mutexattr_init(&a));
    PT(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
    PT(pthread_mutex_init(&m, &a));
    PT(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
    pthread_mutex_t *s = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    PT(pthread_mutex_init(s, &a));
    pthread_t t = t_thread(dies, NULL);
    pid_t pid = t_fork();
    if (!pid) {
        PT(pthread_mutex_lock(s));
        t_mark("child");
        t_wait();
        _exit(0);
    }
    t_await("held");
    t_await("child");
    t_go();
    EQ(pthread_mutex_lock(&m), EOWNERDEAD);
    PT(pthread_mutex_consistent(&m));
    PT(pthread_mutex_unlock(&m));
    PT(pthread_join(t, NULL));
    EQ(pthread_mutex_lock(s), EOWNERDEAD);
    PT(pthread_mutex_consistent(s));
    PT(pthread_mutex_unlock(s));
    t_reap(pid);
    t_pass();
}
