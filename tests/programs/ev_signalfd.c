// needs: any; names: any; row: "Descriptors: eventfd, timerfd (ticks), signalfd"
// signalfds: mask, pending signals readable with their values, mask changed after.
#include "harness.h"
#include <poll.h>
#include <sys/signalfd.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t all, one, two;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    sigemptyset(&one), sigaddset(&one, SIGUSR1), sigaddset(&one, SIGRTMIN + 1);
    sigemptyset(&two), sigaddset(&two, SIGUSR2);
    int a = OK(signalfd(-1, &one, SFD_NONBLOCK | SFD_CLOEXEC)), b = OK(signalfd(-1, &two, SFD_NONBLOCK));
    OK(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 3; i++) OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
    t_go();
    struct signalfd_siginfo si;
    EQ(read(b, &si, sizeof si), -1);
    OK(kill(getpid(), SIGUSR2));
    struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    EQ(poll(p, 2, 1000), 2);
    t_read(a, &si, sizeof si);
    EQ(si.ssi_signo, SIGUSR1);
    EQ(si.ssi_pid, getpid());
    for (int i = 0; i < 3; i++) {
        t_read(a, &si, sizeof si);
        EQ(si.ssi_signo, SIGRTMIN + 1);
        EQ(si.ssi_int, i);
    }
    FAILS(read(a, &si, sizeof si), EAGAIN);
    t_read(b, &si, sizeof si);
    EQ(si.ssi_signo, SIGUSR2);
    EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
    t_pass();
}
