// tries: weaken programs that it starts: personality(2) with READ_IMPLIES_EXEC and without random addresses
// wall: seccomp (strict)
// profiles: strict
// control: both
#include "attack.h"
ATTACK
{
    gain("READ_IMPLIES_EXEC", sc(__NR_personality, 0x0400000));
    gain("ADDR_NO_RANDOMIZE", sc(__NR_personality, 0x0040000));
}
