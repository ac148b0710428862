// tries: open /dev/mem, /dev/port, /dev/kmem and /proc/kcore
// wall: capabilities
// control: root
// unless: ENOENT,ENXIO this kernel is built without /dev/mem and /proc/kcore
#include "attack.h"
ATTACK
{
    gain("/dev/mem", sc(__NR_openat, AT("/dev/mem"), O_RDWR));
    gain("/dev/port", sc(__NR_openat, AT("/dev/port"), O_RDWR));
    gain("/dev/kmem", sc(__NR_openat, AT("/dev/kmem"), O_RDWR));
    gain("/proc/kcore", sc(__NR_openat, AT("/proc/kcore"), O_RDONLY));
}
