// needs: any; names: any; row: "IPC: POSIX mq (contents, notify), named semaphores, shm_open objects"
// A named semaphore, a shared object with a robust and a process-shared lock and a barrier, used by four processes at once.
#include "harness.h"
#include <semaphore.h>
struct shared { pthread_mutex_t robust; pthread_barrier_t barrier; sem_t unnamed; int count, turn; };
int main(int argc, char **argv) {
    t_start(argc, argv);
    char name[32];
    snprintf(name, sizeof name, "/family-%d", getpid());
    int fd = OK(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
    OK(ftruncate(fd, sizeof(struct shared)));
    struct shared *s = OK(mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    OK(shm_unlink(name)), close(fd);
    sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    CHECK(named != SEM_FAILED);
    pthread_mutexattr_t m;
    PT(pthread_mutexattr_init(&m)), PT(pthread_mutexattr_setpshared(&m, 1)), PT(pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST));
    PT(pthread_mutex_init(&s->robust, &m));
    pthread_barrierattr_t b;
    PT(pthread_barrierattr_init(&b)), PT(pthread_barrierattr_setpshared(&b, 1)), PT(pthread_barrier_init(&s->barrier, &b, 4));
    OK(sem_init(&s->unnamed, 1, 0));
    pid_t k[4];
    for (int i = 0; i < 4; i++) {
        k[i] = t_fork();
        if (k[i]) continue;
        t_mark(t_text("k%d", i));
        if (i == 0) {
            PT(pthread_mutex_lock(&s->robust));
            t_mark("held");
            OK(sem_wait(named));
            _exit(0); // dies with the lock
        }
        t_await("held");
        if (i == 1) {
            EQ(pthread_mutex_lock(&s->robust), EOWNERDEAD);
            PT(pthread_mutex_consistent(&s->robust)), PT(pthread_mutex_unlock(&s->robust));
        } else OK(sem_wait(&s->unnamed));
        CHECK(t_exists("go"));
        int r = pthread_barrier_wait(&s->barrier);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        _exit(0);
    }
    for (int i = 0; i < 4; i++) t_await(t_text("k%d", i));
    t_await("held");
    t_ms(50);
    t_go();
    OK(sem_post(named)), OK(sem_post(&s->unnamed)), OK(sem_post(&s->unnamed));
    pthread_barrier_wait(&s->barrier);
    for (int i = 0; i < 4; i++) t_reap(k[i]);
    OK(sem_unlink(name));
    t_pass();
}
