// tries: swap areas, process accounting, disk quotas: swapon, swapoff, acct, quotactl
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    char path[256];
    gate("swapon", sc(__NR_swapon, own(path, "none"), 0));
    gate("swapoff", sc(__NR_swapoff, path));
    gate("acct", sc(__NR_acct, path));
    if (sc(__NR_quotactl, 0x80000200 /* Q_QUOTAON, user */, text("disk"), 2, path) != -ENOSYS)
        gate("quotactl", sc(__NR_quotactl, 0x80000200, text("disk"), 2, path));
}
