// needs: any; names: any; row: "Names: monotonic and boottime clocks never jump back"
// Absolute deadlines two seconds ahead on the monotonic clock: sem_clockwait, timerfd, posix timer, mutex_clocklock, futex by syscall().
#include "harness.h"
#include <linux/futex.h>
#include <semaphore.h>
#include <sys/timerfd.h>
static struct timespec due;
static void late(const char *what) {
    double d = t_now(CLOCK_MONOTONIC) - due.tv_sec - due.tv_nsec / 1e9;
    if (d < 0) FAIL("%s: %f s early", what, -d);
    if (d > 30) FAIL("%s: %f s late", what, d);
}
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *waits(void *arg) {
    sem_t s;
    int word = 0, fd;
    uint64_t v;
    switch ((long)arg) {
    case 0:
        OK(sem_init(&s, 0, 0));
        FAILS(sem_clockwait(&s, CLOCK_MONOTONIC, &due), ETIMEDOUT);
        late("sem_clockwait");
        break;
    case 1:
        fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
        OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, due}, NULL));
        t_read(fd, &v, 8);
        late("timerfd");
        break;
    case 2:
        EQ(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &due), ETIMEDOUT);
        late("pthread_mutex_clocklock");
        break;
    default:
        FAILS(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &due, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
        late("futex");
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(clock_gettime(CLOCK_MONOTONIC, &due));
    due.tv_sec += 2;
    PT(pthread_mutex_lock(&m));
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGRTMIN);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    timer_t timer;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    OK(timer_create(CLOCK_MONOTONIC, &e, &timer));
    OK(timer_settime(timer, TIMER_ABSTIME, &(struct itimerspec){{0, 0}, due}, NULL));
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(waits, i);
    t_ms(20);
    t_ready();
    siginfo_t si;
    EQ(OK(sigwaitinfo(&set, &si)), SIGRTMIN);
    late("posix timer");
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_wait();
    t_pass();
}
