// tries: raise its own resource limits above the hard ones
// wall: capabilities
// control: root
// unless: EPERM root of this machine has no CAP_SYS_RESOURCE
#include "attack.h"
ATTACK
{
    static const int kinds[] = {7 /* NOFILE */, 1 /* FSIZE */, 4 /* CORE */, 13 /* NICE */};
    for (int i = 0; i < 4; i++) {
        struct { unsigned long soft, hard; } limit, low;
        sc(__NR_prlimit64, 0, kinds[i], 0, &limit);
        low = limit;
        low.soft = low.hard = limit.hard / 2;
        if (limit.hard == 0) { low.soft = low.hard = 10; gain("from zero", sc(__NR_prlimit64, 0, kinds[i], &low, 0)); continue; }
        if (sc(__NR_prlimit64, 0, kinds[i], &low, 0) < 0) cannot("lowering a limit", -1);
        gain("raising it again", sc(__NR_prlimit64, 0, kinds[i], &limit, 0));
    }
}
