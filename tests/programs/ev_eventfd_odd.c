// needs: any; names: any; row: "Descriptors: eventfd, timerfd (ticks), signalfd"
// Event descriptors: counting like a semaphore, full, shared with a child by fork; signalfds with queued signals, narrowed since.
#include "harness.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int sem = OK(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK)), full = OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), shared = OK(eventfd(0, 0));
    uint64_t v = 0xfffffffffffffffeull;
    EQ(OK(write(full, &v, 8)), 8);
    sigset_t two, one;
    sigemptyset(&two), sigaddset(&two, SIGRTMIN + 1), sigaddset(&two, SIGUSR2), OK(sigprocmask(SIG_BLOCK, &two, NULL));
    int s = OK(signalfd(-1, &two, SFD_NONBLOCK | SFD_CLOEXEC));
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 1);
    OK(signalfd(s, &one, SFD_NONBLOCK));
    for (int i = 0; i < 5; i++) OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
    raise(SIGUSR2);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        uint64_t n;
        EQ(OK(read(shared, &n, 8)), 8), EQ(n, 41);
        n = 1, EQ(OK(write(sem, &n, 8)), 8);
        struct signalfd_siginfo si;
        FAILS(read(s, &si, sizeof si), EAGAIN); // its own queue is empty
        _exit(0);
    }
    t_await("child");
    t_go();
    FAILS(write(full, &(uint64_t){1}, 8), EAGAIN);
    EQ(OK(write(shared, &(uint64_t){41}, 8)), 8);
    t_reap(pid);
    for (int i = 0; i < 4; i++) EQ(OK(read(sem, &v, 8)), 8), EQ(v, 1);
    FAILS(read(sem, &v, 8), EAGAIN);
    EQ(OK(read(full, &v, 8)), 8), EQ(v, 0xfffffffffffffffeull);
    struct signalfd_siginfo si;
    for (int i = 0; i < 5; i++) EQ(OK(read(s, &si, sizeof si)), (long)sizeof si), EQ(si.ssi_signo, SIGRTMIN + 1), EQ(si.ssi_int, i), EQ(si.ssi_code, SI_QUEUE);
    FAILS(read(s, &si, sizeof si), EAGAIN);
    sigset_t pending;
    OK(sigpending(&pending)), EQ(sigismember(&pending, SIGUSR2), 1);
    EQ(OK(fcntl(full, F_GETFD)), FD_CLOEXEC), EQ(OK(fcntl(s, F_GETFD)), FD_CLOEXEC);
    t_pass();
}
