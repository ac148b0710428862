// tries: write to the host's kernel log through /dev/kmsg, and open other devices of the host: console, autofs, loop, kvm, input
// wall: permissions of the host's /dev
// control: root
#include "attack.h"
ATTACK
{
    static const char *const paths[] = {"/dev/kmsg", "/dev/console", "/dev/tty1", "/dev/loop-control", "/dev/cpu_dma_latency", "/dev/hwrng", "/dev/kvm", "/dev/snapshot"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) gain(paths[i], sc(__NR_openat, AT(paths[i]), O_RDWR | O_NOCTTY | O_NONBLOCK));
}
