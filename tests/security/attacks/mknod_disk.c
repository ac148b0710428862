// tries: make the device of the host's disk, by mknod(2) and mknodat(2), and read it
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    char path[256], block[512];
    long device = number("disk_major") << 8 | number("disk_minor");
    for (int way = 0; way < 2; way++) {
        sc(__NR_unlink, own(path, "disk"));
        long made = way ? sc(__NR_mknodat, AT(path), S_IFBLK | 0600, device) : sc(__NR_mknod, path, S_IFBLK | 0600, device);
        if (!attempt(way ? "mknodat" : "mknod", made)) continue;
        gain("making a block device", 0);
        long fd = sc(__NR_openat, AT(path), O_RDONLY);
        gain("reading it", fd < 0 ? fd : sc(__NR_read, fd, block, 512));
        sc(__NR_unlink, path);
    }
}
