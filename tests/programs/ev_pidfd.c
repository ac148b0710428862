// needs: any; names: any; row: "Descriptors: pidfd, memfd"
// pidfds of a living child, a zombie and the process itself: poll, signals, waitid(P_PIDFD).
#include "harness.h"
#include <poll.h>
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t live = t_fork();
    if (!live)
        for (;;) pause();
    pid_t dead = t_fork();
    if (!dead) _exit(4);
    siginfo_t si;
    OK(waitid(P_PID, dead, &si, WEXITED | WNOWAIT));
    int a = OK(syscall(SYS_pidfd_open, live, 0)), b = OK(syscall(SYS_pidfd_open, dead, 0)), c = OK(syscall(SYS_pidfd_open, getpid(), 0));
    t_go();
    struct pollfd p[3] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}, {.fd = c, .events = POLLIN}};
    EQ(poll(p, 3, 0), 1);
    CHECK(p[1].revents & POLLIN);
    EQ(atoi(t_field(t_text("/proc/self/fdinfo/%d", a), "Pid")), live);
    OK(syscall(SYS_pidfd_send_signal, c, 0, NULL, 0));
    OK(syscall(SYS_pidfd_send_signal, a, SIGKILL, NULL, 0));
    EQ(poll(p, 1, 5000), 1);
    OK(waitid(P_PIDFD, a, &si, WEXITED));
    EQ(si.si_pid, live);
    EQ(si.si_status, SIGKILL);
    OK(waitid(P_PIDFD, b, &si, WEXITED));
    EQ(si.si_pid, dead);
    EQ(si.si_status, 4);
    t_pass();
}
