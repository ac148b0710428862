// tries: the machine's I/O ports: ioperm, iopl
// wall: seccomp, capabilities
// control: root
// unless: ENOSYS this kernel is built without I/O permissions
#include "attack.h"
ATTACK
{
    gain("ioperm", sc(__NR_ioperm, 0x80, 1, 1));
    gain("iopl", sc(__NR_iopl, 3));
}
