// needs: any; names: any; row: "Task: pending signals (per task and shared, with siginfo, real-time queue order)"
// Pending signals of the kernel's own: of a descriptor (F_SETSIG), a message queue, a timer.
#include "harness.h"
#include <mqueue.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t all;
    sigfillset(&all);
    OK(sigprocmask(SIG_BLOCK, &all, NULL));
    int p[2];
    OK(pipe(p)), OK(fcntl(p[0], F_SETOWN, getpid())), OK(fcntl(p[0], F_SETSIG, SIGRTMIN + 1)), OK(fcntl(p[0], F_SETFL, O_ASYNC));
    t_write(p[1], "x", 1);
    char *name = t_text("/poll-info-%d", getpid());
    mqd_t q = OK(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 1234};
    OK(mq_notify(q, &e));
    OK(mq_send(q, "m", 1, 0));
    OK(mq_unlink(name));
    t_go();
    sigset_t one;
    siginfo_t si;
    struct timespec none = {0};
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 1);
    EQ(OK(sigtimedwait(&one, &si, &none)), SIGRTMIN + 1);
    EQ(si.si_code, POLL_IN), EQ(si.si_fd, p[0]), CHECK(si.si_band & 1);
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 2);
    EQ(OK(sigtimedwait(&one, &si, &none)), SIGRTMIN + 2);
    EQ(si.si_code, SI_MESGQ), EQ(si.si_value.sival_int, 1234), EQ(si.si_pid, getpid());
    t_pass();
}
