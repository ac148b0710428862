// needs: any; names: any; row: "Descriptors: owner and signal (F_SETOWN, F_SETSIG)"
// A pipe that sends a real-time signal to a thread when it becomes readable; another to a process group.
#include "harness.h"
static volatile int which_fd, band, hits, group_hits;
static void on(int sig, siginfo_t *si, void *c) { which_fd = si->si_fd, band = si->si_band, hits++; }
static void on_group(int sig) { group_hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(SIGRTMIN + 5, &sa, NULL));
    signal(SIGIO, on_group);
    int a[2], b[2];
    OK(pipe(a)), OK(pipe(b));
    struct f_owner_ex owner = {F_OWNER_TID, t_gettid()};
    OK(fcntl(a[0], F_SETOWN_EX, &owner)), OK(fcntl(a[0], F_SETSIG, SIGRTMIN + 5));
    OK(fcntl(a[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    OK(fcntl(b[0], F_SETOWN, -getpgrp())), OK(fcntl(b[0], F_SETFL, O_ASYNC));
    t_go();
    struct f_owner_ex now;
    OK(fcntl(a[0], F_GETOWN_EX, &now));
    EQ(now.type, F_OWNER_TID), EQ(now.pid, t_gettid());
    OK(fcntl(b[0], F_GETOWN_EX, &now));
    EQ(now.type, F_OWNER_PGRP), EQ(now.pid, getpgrp());
    EQ(OK(fcntl(a[0], F_GETSIG)), SIGRTMIN + 5);
    EQ(OK(fcntl(a[0], F_GETFL)), O_RDONLY | O_ASYNC | O_NONBLOCK);
    t_write(a[1], "x", 1);
    for (int i = 0; i < 100 && !hits; i++) t_ms(10);
    EQ(hits, 1), EQ(which_fd, a[0]);
    t_write(b[1], "x", 1);
    for (int i = 0; i < 100 && !group_hits; i++) t_ms(10);
    EQ(group_hits, 1);
    t_pass();
}
