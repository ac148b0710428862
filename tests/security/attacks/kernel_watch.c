// tries: watch and veto all file accesses of the machine (fanotify), and read directory caches
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    gain("fanotify", sc(__NR_fanotify_init, 0x4 /* FAN_CLASS_CONTENT */, O_RDONLY));
    gate("lookup_dcookie", sc(212, 0, 0, 0));
}
