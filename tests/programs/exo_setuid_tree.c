// needs: root; names: any; go: term; row: "Process: credentials: uids, gids, groups"
// A daemon that gives up root by raw system calls before it sets its state up: children, pipes, shared memory under the new user.
#include "harness.h"
#include <grp.h>
#include <sys/prctl.h>
static volatile sig_atomic_t term;
static void handler(int s) { term = 1; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    gid_t groups[] = {58467, 58468};
    OK(setgroups(2, groups)), OK(syscall(SYS_setgid, 58467)), OK(syscall(SYS_setuid, 18943));
    OK(prctl(PR_SET_DUMPABLE, 1));
    int p[2];
    OK(pipe(p));
    volatile int *m = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    *m = 5;
    pid_t pid = t_fork();
    if (!pid) {
        char c;
        t_read(p[0], &c, 1);
        EQ(getuid(), 18943), EQ(getegid(), 58467);
        *m = 6;
        _exit(0);
    }
    signal(SIGTERM, handler);
    sigset_t block, old;
    sigemptyset(&block), sigaddset(&block, SIGTERM), OK(sigprocmask(SIG_BLOCK, &block, &old));
    t_ready();
    while (!term) sigsuspend(&old);
    EQ(*m, 5), EQ(getuid(), 18943), EQ(geteuid(), 18943), EQ(getgid(), 58467), EQ(getgroups(0, NULL), 2), EQ(prctl(PR_GET_DUMPABLE), 1);
    t_write(p[1], "x", 1);
    t_reap(pid);
    EQ(*m, 6);
    FAILS(setuid(0), EPERM);
    t_pass();
}
