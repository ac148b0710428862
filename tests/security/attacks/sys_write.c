// tries: write to files of /sys that work on the whole machine (the value that they have)
// wall: read-only /sys (kernel names), permissions
// control: root
#include "attack.h"
ATTACK
{
    static const char *const paths[] = {"/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "/sys/module/printk/parameters/time", "/sys/kernel/profiling"};
    char value[64];
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        long fd = sc(__NR_openat, AT(paths[i]), O_RDWR);
        if (fd >= 0) {
            long n = sc(__NR_read, fd, value, sizeof value);
            fd = n < 0 ? n : sc(__NR_pwrite64, fd, value, n, 0);
        }
        gain(paths[i], fd);
    }
}
