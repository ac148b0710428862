// tries: restart or stop the machine (what is asked for is harmless: Ctrl-Alt-Del as it is)
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    gate("reboot", sc(__NR_reboot, 0xfee1deadL, 672274793L, 0x89abcdefL));
    gate("reboot off", sc(__NR_reboot, 0xfee1deadL, 85072278L, 0L));
}
