// tries: make the devices of the host's memory, ports and kernel log (1:1, 1:4, 1:11), and a character device that is harmless elsewhere
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    char path[256];
    static const struct { const char *name; int device; } devices[] = {{"mem", 0x101}, {"port", 0x104}, {"kmsg", 0x10b}, {"loop", 0xaed}};
    for (int i = 0; i < 4; i++) {
        sc(__NR_unlink, own(path, devices[i].name));
        gain(devices[i].name, sc(__NR_mknod, path, S_IFCHR | 0600, devices[i].device));
        sc(__NR_unlink, path);
    }
}
