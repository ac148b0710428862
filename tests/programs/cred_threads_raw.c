// needs: root; names: any; row: "Task: threads with their own credentials"; profile: none
// Threads that changed user, file system user, groups and capabilities by raw calls, each for itself.
#include "harness.h"
#include <linux/capability.h>
static void *run(void *arg) {
    long i = (long)arg;
    gid_t groups[3] = {1000 + (gid_t)i, 2000, 3000}, got[3];
    OK(syscall(SYS_setgroups, 3, groups));
    if (i == 0) OK(syscall(SYS_setresuid, 0, 500, 0)), OK(syscall(SYS_setfsuid, 501));
    if (i == 1) OK(syscall(SYS_setresgid, 600, 600, 600)), OK(syscall(SYS_setresuid, 600, 600, 600));
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2], now[2];
    OK(syscall(SYS_capget, &h, d));
    if (i == 2) d[0].effective = 0, d[1].effective = 0, d[0].permitted &= ~1u, OK(syscall(SYS_capset, &h, d));
    OK(syscall(SYS_capget, &h, d));
    long fs = syscall(SYS_setfsuid, -1);
    t_mark(t_text("t%ld", i));
    t_wait();
    uid_t r, e, s;
    OK(syscall(SYS_getresuid, &r, &e, &s));
    EQ(r, i == 1 ? 600 : 0), EQ(e, i == 0 ? 500 : i == 1 ? 600 : 0), EQ(s, i == 1 ? 600 : 0);
    EQ(syscall(SYS_setfsuid, -1), fs);
    EQ(OK(syscall(SYS_getgroups, 3, got)), 3);
    MEMEQ(got, groups, sizeof got);
    OK(syscall(SYS_capget, &h, now));
    MEMEQ(now, d, sizeof d);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(chmod(".", 0777));
    pthread_t t[3];
    for (long i = 0; i < 3; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < 3; i++) t_await(t_text("t%d", i));
    t_go();
    EQ(getuid(), 0), EQ(geteuid(), 0), EQ(getgid(), 0);
    for (int i = 0; i < 3; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
