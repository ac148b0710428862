// needs: any; names: any; row: "Process: seccomp filters of its own"
// Two filters of the program's own, and one more in a thread: still in force, one at a time.
#include "harness.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
static void deny(int nr, int code) {
    struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
                              BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog p = {4, f};
    OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
}
static void *run(void *u) {
    deny(SYS_sysinfo, 77);
    t_mark("thread");
    t_wait();
    FAILS(syscall(SYS_sysinfo, NULL), 77);
    FAILS(syscall(SYS_times, NULL), 55);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    deny(SYS_times, 55), deny(SYS_getrandom, 66);
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    int filters = atoi(t_status("Seccomp_filters"));
    t_go();
    EQ(atoi(t_status("Seccomp")), 2);
    EQ(atoi(t_status("Seccomp_filters")), filters);
    FAILS(syscall(SYS_times, NULL), 55);
    FAILS(syscall(SYS_getrandom, NULL, 0, 0), 66);
    FAILS(syscall(SYS_sysinfo, NULL), EFAULT);
    PT(pthread_join(t, NULL));
    t_pass();
}
