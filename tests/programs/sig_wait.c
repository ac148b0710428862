// needs: any; names: any; row: "Task: interrupted system call"
// Threads blocked in sigwaitinfo, sigtimedwait with a long timeout, and a signalfd read.
#include "harness.h"
#include <sys/signalfd.h>
static pid_t sender;
static void *wait_info(void *unused) {
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 1);
    siginfo_t si;
    EQ(OK(sigwaitinfo(&s, &si)), SIGRTMIN + 1);
    CHECK(t_exists("go"));
    EQ(si.si_pid, sender);
    EQ(si.si_value.sival_int, 1);
    return NULL;
}
static void *wait_timed(void *unused) {
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 2);
    siginfo_t si;
    struct timespec ts = {600, 0};
    EQ(OK(sigtimedwait(&s, &si, &ts)), SIGRTMIN + 2);
    CHECK(t_exists("go"));
    EQ(si.si_value.sival_int, 2);
    return NULL;
}
static void *wait_fd(void *unused) {
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGRTMIN + 3);
    int fd = OK(signalfd(-1, &s, 0));
    struct signalfd_siginfo i;
    t_read(fd, &i, sizeof i);
    CHECK(t_exists("go"));
    EQ(i.ssi_signo, SIGRTMIN + 3);
    EQ(i.ssi_int, 3);
    EQ(i.ssi_pid, sender);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t s;
    sigfillset(&s);
    OK(sigprocmask(SIG_BLOCK, &s, NULL));
    sender = t_kicker(for (int i = 1; i < 4; i++) OK(sigqueue(getppid(), SIGRTMIN + i, (union sigval){.sival_int = i})));
    pthread_t t[] = {t_thread(wait_info, NULL), t_thread(wait_timed, NULL), t_thread(wait_fd, NULL)};
    t_ms(50);
    t_ready();
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    t_reap(sender);
    t_pass();
}
