// tries: hang up terminals by vhangup(2), reach the invoking terminal by /dev/tty
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    gate("vhangup", sc(__NR_vhangup));
    long fd = sc(__NR_openat, AT("/dev/tty"), O_RDWR);
    if (text_or("is_terminal", NULL)) fd = -1;
    if (fd >= 0) gain("/dev/tty", fd);
}
