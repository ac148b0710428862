// needs: root; names: any; row: "Process: credentials: capabilities, securebits, no_new_privs"; profile: none
// Capability sets that differ from each other, the bounding and ambient sets, securebits.
#include "harness.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
    OK(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
    OK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED));
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {0};
    d[0].effective = 1 << CAP_NET_RAW | 1 << CAP_CHOWN;
    d[0].permitted = d[0].effective | 1 << CAP_KILL | 1 << CAP_SYS_NICE | 1 << CAP_NET_BIND_SERVICE;
    d[0].inheritable = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_SYS_NICE;
    OK(syscall(SYS_capset, &h, d));
    OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_NICE, 0, 0));
    static const char *keys[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    char before[5][64];
    for (int i = 0; i < 5; i++) strcpy(before[i], t_status(keys[i]));
    t_go();
    struct __user_cap_data_struct now[2] = {0};
    OK(syscall(SYS_capget, &h, now));
    MEMEQ(now, d, sizeof d);
    for (int i = 0; i < 5; i++)
        if (strcmp(t_status(keys[i]), before[i])) FAIL("%s: expected %s, actual %s", keys[i], before[i], t_status(keys[i]));
    EQ(OK(prctl(PR_GET_SECUREBITS)), SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED);
    EQ(prctl(PR_CAPBSET_READ, CAP_SYS_TIME), 0);
    EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_SYS_NICE, 0, 0), 1);
    t_pass();
}
