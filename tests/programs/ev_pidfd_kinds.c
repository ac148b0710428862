// needs: any; names: any; row: "Descriptors: pidfd, memfd, userfaultfd (refuse), io_uring (refuse)"
// Pidfds of oneself, a child, a zombie, a reaped process, a thread; not blocking, shared, in flight.
#include "harness.h"
#include <poll.h>
#include <sys/socket.h>
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
static volatile int tid, hits;
static void on(int sig) { hits++; }
static void *run(void *arg) {
    tid = t_gettid();
    t_mark("thread");
    t_wait();
    t_await("checked");
    return NULL;
}
static int open_pid(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }
static bool ready(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return OK(poll(&p, 1, 0)) == 1;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR1, on);
    pid_t child = t_fork();
    if (!child)
        for (;;) pause();
    pid_t zombie = t_fork();
    if (!zombie) _exit(9);
    pid_t gone = t_fork();
    if (!gone) _exit(8);
    int self = OK(open_pid(getpid(), 0)), c = OK(open_pid(child, O_NONBLOCK)), z = OK(open_pid(zombie, 0)), g = OK(open_pid(gone, 0));
    t_reap_at(__LINE__, gone, 8 << 8);
    siginfo_t si;
    OK(waitid(P_PID, zombie, &si, WEXITED | WNOWAIT));
    pthread_t t = t_thread(run, 0);
    t_await("thread");
    int th = open_pid(tid, O_EXCL /* PIDFD_THREAD, since Linux 6.9 */);
    t_go();
    CHECK(!ready(self)), CHECK(!ready(c)), CHECK(ready(z)), CHECK(ready(g));
    OK(syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 0)), EQ(hits, 1);
    FAILS(syscall(SYS_pidfd_send_signal, g, 0, NULL, 0), ESRCH);
    FAILS(waitid(P_PIDFD, c, &si, WEXITED), EAGAIN);
    OK(syscall(SYS_pidfd_send_signal, c, SIGKILL, NULL, 0));
    t_reap_at(__LINE__, child, SIGKILL), CHECK(ready(c));
    OK(waitid(P_PIDFD, z, &si, WEXITED)), EQ(si.si_pid, zombie), EQ(si.si_status, 9);
    if (th >= 0) CHECK(!ready(th));
    t_mark("checked");
    PT(pthread_join(t, NULL));
    if (th >= 0) CHECK(ready(th));
    t_pass();
}
