// needs: any; names: any; row: "Names: pid, tid, pgid, sid in every call"
// The same through the function syscall(), with kill, tgkill, wait4, and pidfd_open.
#include "harness.h"
static void *thread(void *arg) {
    pid_t tid = syscall(SYS_gettid);
    t_mark("thread");
    t_wait();
    EQ(syscall(SYS_gettid), tid);
    EQ(gettid(), tid);
    CHECK(tid != getpid());
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const int nr[] = {SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgrp};
    long before[4], group = OK(syscall(SYS_getpgid, 0)), session = OK(syscall(SYS_getsid, 0));
    for (int i = 0; i < 4; i++) before[i] = syscall(nr[i]);
    EQ(before[0], getpid()), EQ(before[1], getppid()), EQ(before[2], getpid());
    pid_t child = t_fork();
    if (!child)
        for (;;) pause();
    pthread_t t = t_thread(thread, NULL);
    t_await("thread");
    t_go();
    for (int i = 0; i < 4; i++) EQ(syscall(nr[i]), before[i]);
    EQ(getpid(), before[0]);
    EQ(syscall(SYS_getpgid, 0), group), EQ(syscall(SYS_getsid, child), session);
    int fd = OK(syscall(SYS_pidfd_open, child, 0));
    OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    int status = 0;
    EQ(OK(syscall(SYS_wait4, child, &status, 0, NULL)), child);
    EQ(status, SIGTERM);
    PT(pthread_join(t, NULL));
    t_pass();
}
