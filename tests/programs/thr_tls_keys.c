// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// Thread-local variables, pthread keys with destructors, errno of each thread.
#include "harness.h"
static __thread int value;
static pthread_key_t key;
static volatile long destroyed;
static void destroy(void *p) { __sync_fetch_and_add(&destroyed, (long)p); }
static void *run(void *arg) {
    value = (int)(long)arg;
    PT(pthread_setspecific(key, arg));
    errno = (int)(long)arg;
    volatile int *e = &errno;
    t_mark(t_text("t%ld", (long)arg));
    while (!t_exists("go")) t_ms(10);
    CHECK(e == &errno);
    EQ(value, (long)arg);
    EQ((long)pthread_getspecific(key), (long)arg);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    PT(pthread_key_create(&key, destroy));
    pthread_t t[8];
    for (long i = 0; i < 8; i++) t[i] = t_thread(run, i + 1);
    for (long i = 0; i < 8; i++) t_await(t_text("t%ld", i + 1));
    t_go();
    for (int i = 0; i < 8; i++) PT(pthread_join(t[i], NULL));
    EQ(destroyed, 36);
    t_pass();
}
