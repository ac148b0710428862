// tries: open the host's disk where the host has it
// wall: permissions of the host's /dev
// control: root
// unless: EPERM,EACCES a list of devices keeps root of this machine from its disk
#include "attack.h"
ATTACK
{
    char block[512];
    long fd = sc(__NR_openat, AT(text("disk")), O_RDONLY);
    gain("opening the disk", fd);
    if (fd >= 0) gain("reading it", sc(__NR_read, fd, block, 512));
}
