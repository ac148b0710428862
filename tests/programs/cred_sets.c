// needs: root; names: any; row: "Process: credentials: uids, gids, groups, capabilities, securebits, no_new_privs"; profile: none
// A hundred groups; locked securebits; an ambient set after the user changed; a bounding set with holes; real, effective and saved ids all different.
#include "harness.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
static void caps(struct __user_cap_data_struct d[2]) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    OK(syscall(SYS_capget, &h, d));
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(chmod(".", 0777));
    gid_t groups[100], got[100];
    for (int i = 0; i < 100; i++) groups[i] = 20000 + i * 7;
    OK(setgroups(100, groups));
    OK(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME)), OK(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    OK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT_LOCKED));
    OK(setresgid(101, 102, 103));
    OK(setresuid(201, 202, 203));
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2], now[2];
    caps(d);
    d[0].inheritable = 1 << CAP_CHOWN | 1 << CAP_KILL, d[0].effective = 1 << CAP_KILL, d[0].permitted = 1 << CAP_KILL | 1 << CAP_CHOWN | 1 << CAP_SETPCAP;
    d[1] = (struct __user_cap_data_struct){0};
    OK(syscall(SYS_capset, &h, d));
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
    OK(prctl(PR_SET_DUMPABLE, 1));
    char bounding[40];
    strcpy(bounding, t_status("CapBnd"));
    int bits = OK(prctl(PR_GET_SECUREBITS));
    t_go();
    uid_t r, e, s;
    OK(getresuid(&r, &e, &s)), EQ(r, 201), EQ(e, 202), EQ(s, 203);
    OK(getresgid(&r, &e, &s)), EQ(r, 101), EQ(e, 102), EQ(s, 103);
    EQ(OK(getgroups(100, got)), 100);
    MEMEQ(got, groups, sizeof got);
    caps(now);
    MEMEQ(now, d, sizeof d);
    EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1), EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
    STREQ(t_status("CapBnd"), bounding);
    EQ(OK(prctl(PR_GET_SECUREBITS)), bits);
    t_pass();
}
