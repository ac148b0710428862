// tries: system calls that no filter sees: io_uring
// wall: seccomp
// control: both
// unless: EPERM kernel.io_uring_disabled is set on this machine
#include "attack.h"
ATTACK
{
    char parameters[120] = {0};
    gain("io_uring_setup", sc(425, 4, parameters));
}
