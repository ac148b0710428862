// needs: root; names: any; row: "Descriptors: owner and signal (F_SETOWN, F_SETSIG)"
// Owners that a daemon set before and after it became another user: whose privilege their signals have; hints on the life of what is written.
#include "harness.h"
#include <grp.h>
#include <sys/socket.h>
#define GETOWNER_UIDS 17
#define GET_RW_HINT 1035
#define SET_RW_HINT 1036
static volatile int hits;
static void handler(int s) { hits++; }
static void users(int fd, unsigned real, unsigned effective) {
    uid_t u[2];
    OK(fcntl(fd, GETOWNER_UIDS, u));
    EQ(u[0], real), EQ(u[1], effective);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGIO, handler);
    int a[2], b[2], c[2], d[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, b)), OK(socketpair(AF_UNIX, SOCK_STREAM, 0, c)), OK(pipe(d));
    int memory = OK(syscall(SYS_memfd_create, "hinted", 0));
    uint64_t hint = 3 /* RWH_WRITE_LIFE_MEDIUM */;
    OK(fcntl(memory, SET_RW_HINT, &hint));
    OK(fcntl(a[0], F_SETOWN, getpid()));
    OK(chmod(".", 0777));
    gid_t group = 4321;
    OK(setgroups(1, &group)), OK(setresgid(4322, 4322, 4322)), OK(setresuid(4323, 4324, 4323));
    OK(fcntl(b[0], F_SETOWN, getpid()));
    OK(seteuid(4323));
    OK(fcntl(c[0], F_SETOWN, getpid())), OK(fcntl(c[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    OK(fcntl(d[0], F_SETSIG, SIGRTMIN + 2));
    OK(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1));
    t_go();
    users(a[0], 0, 0), users(b[0], 4323, 4324), users(c[0], 4323, 4323);
    EQ(fcntl(a[0], F_GETOWN), getpid()), EQ(fcntl(b[0], F_GETOWN), getpid());
    EQ(fcntl(d[0], F_GETSIG), SIGRTMIN + 2);
    hint = 0;
    OK(fcntl(memory, GET_RW_HINT, &hint));
    EQ(hint, 3);
    EQ(hits, 0);
    t_write(c[1], "x", 1);
    for (int i = 0; i < 300 && !hits; i++) t_ms(10);
    EQ(hits, 1);
    t_pass();
}
