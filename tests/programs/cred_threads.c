// needs: root; names: any; row: "Process: credentials: uids, gids, groups"
// Threads with credentials of their own, set by raw system calls.
#include "harness.h"
static void *run(void *arg) {
    long i = (long)arg;
    gid_t groups[] = {100 + i, 200 + i}, got[4];
    OK(syscall(SYS_setgroups, 2, groups));
    OK(syscall(SYS_setresgid, 20 + i, 30 + i, 40 + i));
    OK(syscall(SYS_setresuid, 1020 + i, 1030 + i, 1040 + i));
    t_mark(t_text("t%ld", i));
    t_wait();
    uid_t r, e, s;
    OK(syscall(SYS_getresuid, &r, &e, &s));
    EQ(r, 1020 + i), EQ(e, 1030 + i), EQ(s, 1040 + i);
    OK(syscall(SYS_getresgid, &r, &e, &s));
    EQ(r, 20 + i), EQ(e, 30 + i), EQ(s, 40 + i);
    EQ(OK(syscall(SYS_getgroups, 4, got)), 2);
    EQ(got[0], 100 + i), EQ(got[1], 200 + i);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[3];
    for (long i = 0; i < 3; i++) t[i] = t_thread(run, i);
    for (long i = 0; i < 3; i++) t_await(t_text("t%ld", i));
    t_go();
    EQ(getuid(), 0);
    EQ(geteuid(), 0);
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
