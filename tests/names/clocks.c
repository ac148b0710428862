/* Clocks agree with each other, and deadlines are kept on each of them. In a pod they are ahead of the host's or behind. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static double now(clockid_t clock) {
    struct timespec t;
    CHECK_EQ(clock_gettime(clock, &t), 0);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static struct timespec in(clockid_t clock, double seconds) {
    double at = now(clock) + seconds;
    return (struct timespec){(time_t)at, (long)((at - (time_t)at) * 1e9)};
}

static double began;
static void start(void) { began = now(CLOCK_REALTIME); }
static void took(const char *what) {
    double t = now(CLOCK_REALTIME) - began;
    if (t < 0.045 || t > 1.5) { fprintf(stderr, "%s took %f\n", what, t); exit(1); }
}

static volatile sig_atomic_t alarmed;
static void on_alarm(int signal) { (void)signal; alarmed = 1; }

static void *spin(void *argument) {
    (void)argument;
    for (volatile long i = 0; i < 20000000; i++) {}
    clockid_t clock;
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    CHECK(now(clock) > 0.001);
    struct timespec direct;
    CHECK_EQ(syscall(SYS_clock_gettime, clock, &direct), 0);
    return NULL;
}

int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
    struct timespec raw;
    CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw), 0);
    CHECK(raw.tv_sec - now(CLOCK_MONOTONIC) < 1 && raw.tv_sec - now(CLOCK_MONOTONIC) > -2);
    double coarse = now(CLOCK_MONOTONIC) - now(CLOCK_MONOTONIC_COARSE);
    CHECK(coarse > -0.1 && coarse < 0.1);
    FILE *file = fopen("/proc/uptime", "r");
    double up;
    CHECK_EQ(fscanf(file, "%lf", &up), 1);
    fclose(file);
    CHECK(up - now(CLOCK_BOOTTIME) < 0.1 && up - now(CLOCK_BOOTTIME) > -1);
    struct sysinfo info;
    CHECK_EQ(sysinfo(&info), 0);
    CHECK(info.uptime - up < 2 && info.uptime - up > -2);
    if (getenv("EXPECT_MONOTONIC")) CHECK((now(CLOCK_MONOTONIC) > 1e6) == atoi(getenv("EXPECT_MONOTONIC")));

    for (int i = 0; i < 2; i++) {
        struct timespec until = in(clocks[i], 0.05);
        start();
        CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &until, NULL), 0);
        took("clock_nanosleep");
        until = in(clocks[i], 0.05);
        start();
        CHECK_EQ(syscall(SYS_clock_nanosleep, clocks[i], TIMER_ABSTIME, &until, NULL), 0);
        took("clock_nanosleep by number");
        int fd = timerfd_create(clocks[i], 0);
        struct itimerspec at = {.it_value = in(clocks[i], 0.05)};
        start();
        CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL), 0);
        uint64_t ticks;
        CHECK_EQ(read(fd, &ticks, 8), 8);
        took("timerfd");
        at.it_value = in(clocks[i], 0.05);
        start();
        CHECK_EQ(syscall(SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, &at, NULL), 0);
        CHECK_EQ(read(fd, &ticks, 8), 8);
        took("timerfd by number");
        close(fd);
        signal(SIGUSR2, on_alarm);
        sigset_t set, none;
        sigemptyset(&none);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
        event._sigev_un._tid = gettid();
        timer_t timer;
        CHECK_EQ(timer_create(clocks[i], &event, &timer), 0);
        at.it_value = in(clocks[i], 0.05);
        alarmed = 0;
        start();
        CHECK_EQ(timer_settime(timer, TIMER_ABSTIME, &at, NULL), 0);
        while (!alarmed) sigsuspend(&none);
        took("timer");
        CHECK_EQ(timer_delete(timer), 0);
    }
    struct timespec until = {1, 0};
    start();
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
    CHECK(now(CLOCK_REALTIME) - began < 0.5);
    struct timespec brief = {0, 50000000};
    start();
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, NULL), 0);
    took("a relative sleep");

    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_t cond;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_init(&cond, &attributes);
    pthread_mutex_lock(&mutex);
    until = in(CLOCK_MONOTONIC, 0.05);
    start();
    CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &until), ETIMEDOUT);
    took("pthread_cond_timedwait");
    pthread_cond_t real = PTHREAD_COND_INITIALIZER;
    until = in(CLOCK_REALTIME, 0.05);
    start();
    CHECK_EQ(pthread_cond_timedwait(&real, &mutex, &until), ETIMEDOUT);
    took("pthread_cond_timedwait, realtime");
    until = in(CLOCK_MONOTONIC, 0.05);
    start();
    CHECK_EQ(pthread_cond_clockwait(&real, &mutex, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    took("pthread_cond_clockwait");
    sem_t sem;
    sem_init(&sem, 0, 0);
    until = in(CLOCK_MONOTONIC, 0.05);
    start();
    CHECK(sem_clockwait(&sem, CLOCK_MONOTONIC, &until) == -1 && errno == ETIMEDOUT);
    took("sem_clockwait");
    int word = 0;
    until = in(CLOCK_MONOTONIC, 0.05);
    start();
    CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &until, NULL, -1) == -1 && errno == ETIMEDOUT);
    took("futex");

    clockid_t clock;
    CHECK_EQ(clock_getcpuclockid(0, &clock), 0);
    CHECK(now(clock) > 0);
    CHECK_EQ(clock_getcpuclockid(getpid(), &clock), 0);
    CHECK(now(clock) > 0);
    CHECK_EQ(clock_getres(clock, &raw), 0);
    CHECK_EQ(clock_getcpuclockid(4194303, &clock), ESRCH);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, spin, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}
