// tries: segments of its own (modify_ldt(2)), an old source of faults in the kernel
// wall: seccomp (strict)
// profiles: strict
// control: both
#include "attack.h"
ATTACK
{
    struct { unsigned number, base, limit, flags; } entry = {0, 0, 0xfffff, 0x51};
    gain("modify_ldt", sc(__NR_modify_ldt, 1, &entry, sizeof entry));
}
