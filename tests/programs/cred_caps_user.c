// needs: root; names: any; row: "Process: credentials: capabilities, securebits, no_new_privs"
// An ordinary user with one capability kept over setuid, and a child of the same user with none.
#include "harness.h"
#include <linux/capability.h>
#include <sys/prctl.h>
static void get(struct __user_cap_data_struct *d) {
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    OK(syscall(SYS_capget, &h, d));
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_SET_KEEPCAPS, 1));
    OK(setresgid(3001, 3001, 3001));
    OK(setresuid(3000, 3000, 3000));
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {{.effective = 1 << CAP_CHOWN, .permitted = 1 << CAP_CHOWN}}, now[2] = {0};
    OK(syscall(SYS_capset, &h, d));
    pid_t pid = t_fork();
    if (!pid) {
        struct __user_cap_data_struct none[2] = {0};
        OK(syscall(SYS_capset, &h, none));
        t_mark("child");
        t_wait();
        get(now);
        EQ(now[0].effective | now[0].permitted, 0);
        EQ(getuid(), 3000);
        _exit(0);
    }
    t_await("child");
    t_go();
    get(now);
    MEMEQ(now, d, sizeof d);
    EQ(geteuid(), 3000);
    close(OK(open("mine", O_CREAT | O_WRONLY, 0600)));
    OK(chown("mine", 4000, 4000));
    t_reap(pid);
    t_pass();
}
