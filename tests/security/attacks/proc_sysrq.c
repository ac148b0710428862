// tries: write to /proc/sysrq-trigger (the letter that prints a help)
// wall: read-only /proc/sysrq-trigger (kernel names), permissions
// control: root
// unless: ENOENT this kernel is built without the key
#include "attack.h"
ATTACK
{
    long fd = sc(__NR_openat, AT("/proc/sysrq-trigger"), O_WRONLY);
    gain("/proc/sysrq-trigger", fd < 0 ? fd : sc(__NR_write, fd, "h", 1));
}
