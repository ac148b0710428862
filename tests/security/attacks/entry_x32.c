// tries: refused calls by their numbers of the x32 interface, and numbers with other high bits
// wall: seccomp
// control: root
// unless: ENOSYS this kernel is built without x32
#include "attack.h"
ATTACK
{
    gate("reboot", sc(0x40000000 | __NR_reboot, 0xfee1deadL, 672274793L, 0x89abcdefL));
    gate("mount", sc(0x40000000 | __NR_mount, 0, 0, 0, 0, 0));
    gate("ptrace", sc(0x40000000 | 521, 0x4206, number("victim"), 0, 0));
    gate("unshare", sc(0x40000000 | __NR_unshare, CLONE_NEWUSER));
}
