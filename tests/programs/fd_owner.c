// needs: any; names: any; row: "Descriptors: owner and signal (F_SETOWN, F_SETSIG)"
// F_SETOWN, F_SETOWN_EX (thread, group), F_SETSIG and O_ASYNC: values, and the signal comes with its siginfo.
#include "harness.h"
#include <poll.h>
#include <sys/socket.h>
static volatile int hit_fd = -1, hits, band;
static void handler(int s, siginfo_t *si, void *c) { hit_fd = si->si_fd, band = si->si_band, hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(SIGRTMIN + 3, &a, NULL));
    int s[2], t[2], u[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s)), OK(pipe(t)), OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, u));
    OK(fcntl(s[0], F_SETSIG, SIGRTMIN + 3)), OK(fcntl(s[0], F_SETOWN, getpid()));
    OK(fcntl(s[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    struct f_owner_ex ex = {F_OWNER_TID, gettid()}, now;
    OK(fcntl(t[0], F_SETOWN_EX, &ex));
    OK(fcntl(u[0], F_SETOWN, -getpgrp()));
    t_go();
    EQ(fcntl(s[0], F_GETSIG), SIGRTMIN + 3);
    EQ(fcntl(s[0], F_GETOWN), getpid());
    CHECK(fcntl(s[0], F_GETFL) & O_ASYNC);
    OK(fcntl(t[0], F_GETOWN_EX, &now));
    EQ(now.type, F_OWNER_TID);
    EQ(now.pid, gettid());
    EQ(fcntl(t[0], F_GETSIG), 0);
    OK(fcntl(u[0], F_GETOWN_EX, &now));
    EQ(now.type, F_OWNER_PGRP);
    EQ(now.pid, getpgrp());
    EQ(hits, 0);
    t_write(s[1], "x", 1);
    for (int i = 0; i < 300 && !hits; i++) t_ms(10);
    EQ(hit_fd, s[0]);
    CHECK(band & POLLIN);
    t_pass();
}
