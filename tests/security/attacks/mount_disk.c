// tries: mount the host's disk
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    char place[256];
    sc(__NR_mkdir, own(place, "mnt"), 0755);
    gate("mount", sc(__NR_mount, text("disk"), place, text_or("disk_type", "ext4"), MS_RDONLY, ""));
}
