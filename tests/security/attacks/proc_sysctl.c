// tries: write what is global in /proc/sys: core_pattern, ns_last_pid, drop_caches, modprobe, panic (the value it has)
// wall: read-only /proc/sys (kernel names), permissions
// control: root
#include "attack.h"
ATTACK
{
    static const char *const paths[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/panic", "/proc/sys/kernel/modprobe", "/proc/sys/vm/swappiness", "/proc/sys/kernel/randomize_va_space"};
    char value[256];
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        long fd = sc(__NR_openat, AT(paths[i]), O_RDWR);
        if (fd >= 0) {
            long n = sc(__NR_read, fd, value, sizeof value);
            fd = n < 0 ? n : sc(__NR_pwrite64, fd, value, n, 0);
        }
        gain(paths[i], fd);
    }
}
