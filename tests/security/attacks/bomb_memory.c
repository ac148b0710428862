// tries: take the machine's memory: 600 MB
// wall: --memory, by a control group
// control: both
#include "attack.h"
ATTACK
{
    long child = sc(__NR_fork);
    if (child == 0) {
        long size = 600L << 20, at = sc(__NR_mmap, 0, size, 3, 0x22, -1, 0);
        if (at < 0 && at > -4096) leave(1);
        for (long i = 0; i < size; i += 4096) ((volatile char *)at)[i] = 1;
        leave(0);
    }
    int status = 0;
    wait_for(child, &status);
    gain("600 MB", status == 0 ? 0 : -ENOMEM);
}
