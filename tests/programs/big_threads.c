// needs: any; names: any; slow; row: "Task: registers, FPU/XSAVE, fs/gs base"
// 1000 threads, each with its id, its name and a word of thread-local storage.
#include "harness.h"
#include <sys/prctl.h>
enum { COUNT = 1000 };
static __thread long local;
static pthread_barrier_t set;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool go;
static void *work(void *argument) {
    long number = (long)argument;
    local = number * 3;
    char name[16], now[16];
    snprintf(name, sizeof name, "t%ld", number);
    OK(prctl(PR_SET_NAME, name));
    pid_t tid = gettid();
    pthread_barrier_wait(&set);
    PT(pthread_mutex_lock(&mutex));
    while (!go) PT(pthread_cond_wait(&changed, &mutex));
    PT(pthread_mutex_unlock(&mutex));
    EQ(local, number * 3);
    EQ(gettid(), tid);
    EQ(syscall(SYS_gettid), tid);
    OK(prctl(PR_GET_NAME, now));
    STREQ(now, name);
    return (void *)(number + 1);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t thread[COUNT];
    pthread_attr_t attributes;
    PT(pthread_attr_init(&attributes));
    PT(pthread_attr_setstacksize(&attributes, 64 << 10));
    PT(pthread_barrier_init(&set, NULL, COUNT + 1));
    for (long i = 0; i < COUNT; i++) PT(pthread_create(&thread[i], &attributes, work, (void *)i));
    pthread_barrier_wait(&set);
    t_go();
    PT(pthread_mutex_lock(&mutex));
    go = true;
    PT(pthread_cond_broadcast(&changed));
    PT(pthread_mutex_unlock(&mutex));
    for (long i = 0; i < COUNT; i++) {
        void *result;
        PT(pthread_join(thread[i], &result));
        EQ((long)result, i + 1);
    }
    t_pass();
}
