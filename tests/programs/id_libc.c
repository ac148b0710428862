// needs: any; names: any; row: "Names: pid, tid, pgid, sid in every call"
// Every libc call that returns an id gives the same as before; calls that take one accept it.
#include "harness.h"
#include <sys/resource.h>
static void collect(pid_t *v) {
    v[0] = getpid(), v[1] = getppid(), v[2] = gettid(), v[3] = getpgrp(), v[4] = getpgid(0), v[5] = getsid(0), v[6] = getpgid(getpid()), v[7] = getsid(getpid());
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t before[8], now[8];
    pid_t child = t_fork();
    if (!child)
        for (;;) pause();
    collect(before);
    t_go();
    collect(now);
    for (int i = 0; i < 8; i++)
        if (now[i] != before[i]) FAIL("id %d: expected %d, actual %d", i, before[i], now[i]);
    OK(kill(getpid(), 0)), OK(kill(child, 0)), OK(killpg(getpgrp(), 0));
    cpu_set_t set;
    OK(sched_getaffinity(child, sizeof set, &set)), OK(sched_getscheduler(child)), OK(sched_getscheduler(getpid()));
    errno = 0;
    getpriority(PRIO_PROCESS, child);
    EQ(errno, 0);
    struct rlimit r;
    OK(prlimit(child, RLIMIT_NOFILE, NULL, &r));
    EQ(getpgid(child), getpgrp());
    EQ(getsid(child), getsid(0));
    OK(setpgid(child, child));
    EQ(getpgid(child), child);
    OK(killpg(child, SIGKILL));
    t_reap_at(__LINE__, child, SIGKILL);
    FAILS(kill(child, 0), ESRCH);
    t_pass();
}
