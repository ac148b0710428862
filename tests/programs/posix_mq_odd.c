// needs: any; names: any; row: "IPC: POSIX mq (contents, notify), named semaphores, shm_open objects"
// Queues: unlinked ones with messages of all priorities, read-only and not blocking descriptors, one in flight, notification by no signal.
#include "harness.h"
#include <mqueue.h>
#include <poll.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct mq_attr attr = {.mq_maxmsg = 9, .mq_msgsize = 77}, now;
    char *n1 = t_text("/odd1-%d", getpid()), *n2 = t_text("/odd2-%d", getpid());
    mqd_t a = OK(mq_open(n1, O_RDWR | O_CREAT, 0620, &attr)), b = OK(mq_open(n2, O_RDWR | O_CREAT, 0600, &attr)), ro = OK(mq_open(n1, O_RDONLY | O_NONBLOCK));
    OK(mq_unlink(n1));
    static const unsigned priorities[] = {0, 32767, 5, 5, 1000, 0, 32767};
    for (int i = 0; i < 7; i++) OK(mq_send(a, (char[]){'0' + i}, 1, priorities[i]));
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    OK(mq_notify(b, &none));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        FAILS(mq_notify(b, &e), EBUSY);
        _exit(0);
    }
    t_await("child");
    t_go();
    OK(mq_getattr(ro, &now)), EQ(now.mq_flags, O_NONBLOCK), EQ(now.mq_maxmsg, 9), EQ(now.mq_msgsize, 77), EQ(now.mq_curmsgs, 7);
    t_reap(pid);
    struct pollfd p[2] = {{ro, POLLIN, 0}, {b, POLLIN, 0}};
    EQ(OK(poll(p, 2, 0)), 1);
    static const char order[] = "1642305";
    for (int i = 0; i < 7; i++) {
        char x[77];
        unsigned priority;
        EQ(OK(mq_receive(ro, x, 77, &priority)), 1);
        EQ(x[0], order[i]), EQ(priority, priorities[x[0] - '0']);
    }
    FAILS(mq_receive(ro, (char[77]){0}, 77, NULL), EAGAIN), FAILS(mq_send(ro, "x", 1, 0), EBADF);
    struct stat s;
    OK(fstat(a, &s)), EQ(s.st_mode & 0777, 0620 & ~umask(0));
    OK(mq_unlink(n2));
    t_pass();
}
