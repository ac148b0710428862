// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// A read lease: still held, and broken with a signal when another process opens the file for writing.
#include "harness.h"
static volatile int broke = -1;
static void handler(int s, siginfo_t *si, void *c) { broke = si->si_fd; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(SIGRTMIN + 4, &a, NULL));
    close(t_make_file("f", 10, 1)), close(t_make_file("g", 10, 1));
    int fd = OK(open("f", O_RDONLY)), g = OK(open("g", O_RDWR));
    OK(fcntl(fd, F_SETSIG, SIGRTMIN + 4));
    OK(fcntl(fd, F_SETLEASE, F_RDLCK)), OK(fcntl(g, F_SETLEASE, F_WRLCK));
    t_go();
    EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    EQ(fcntl(g, F_GETLEASE), F_WRLCK);
    pid_t pid = t_fork();
    if (!pid) {
        FAILS(open("f", O_WRONLY | O_NONBLOCK), EWOULDBLOCK);
        _exit(0);
    }
    t_reap(pid);
    for (int i = 0; i < 300 && broke < 0; i++) t_ms(10);
    EQ(broke, fd);
    EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    OK(fcntl(fd, F_SETLEASE, F_UNLCK));
    t_pass();
}
