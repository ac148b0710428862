// needs: any; names: any; row: "Task: interrupted system call"
// Eighty threads, each in another sort of call or loop when it is stopped: all go on, none returns early.
#include "harness.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
enum { N = 80 };
static int p[N][2], s[N][2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static volatile int released;
static void *run(void *arg) {
    long i = (long)arg;
    char b[4];
    t_mark(t_text("t%ld", i));
    switch (i % 10) {
    case 0: t_read(p[i][0], b, 1); break;
    case 1: EQ(OK(recv(s[i][0], b, 4, 0)), 1); break;
    case 2: PT(pthread_mutex_lock(&mutex));
        while (!released) PT(pthread_cond_wait(&cond, &mutex));
        PT(pthread_mutex_unlock(&mutex));
        break;
    case 3: {
        int r = pthread_barrier_wait(&barrier);
        CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
        break;
    }
    case 4: OK(sem_wait(&semaphore)); break;
    case 5: PT(pthread_rwlock_rdlock(&rw)); break;
    case 6: EQ(OK(poll(&(struct pollfd){p[i][0], POLLIN, 0}, 1, -1)), 1); break;
    case 7:
        while (!released) sched_yield();
        break;
    case 8:
        while (!released) ;
        break;
    case 9: t_wait(); break;
    }
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[N];
    PT(pthread_barrier_init(&barrier, NULL, 9)), OK(sem_init(&semaphore, 0, 0)), PT(pthread_rwlock_wrlock(&rw));
    for (long i = 0; i < N; i++) OK(pipe(p[i])), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s[i])), t[i] = t_thread(run, i);
    for (int i = 0; i < N; i++) t_await(t_text("t%d", i));
    t_go();
    for (int i = 0; i < N; i++) t_write(p[i][1], "x", 1), t_write(s[i][1], "x", 1);
    PT(pthread_mutex_lock(&mutex)), released = 1, PT(pthread_cond_broadcast(&cond)), PT(pthread_mutex_unlock(&mutex));
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < N; i++) OK(sem_post(&semaphore));
    PT(pthread_rwlock_unlock(&rw));
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
