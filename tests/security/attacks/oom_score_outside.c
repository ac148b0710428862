// tries: have a process outside chosen when memory runs out (oom_score_adj)
// wall: the pid namespace
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        char path[64];
        format(path, sizeof path, "/proc/%s/oom_score_adj", text(who[w]));
        long fd = sc(__NR_openat, AT(path), O_WRONLY);
        attempt(path, fd < 0 ? fd : sc(__NR_write, fd, "500", 3));
    }
}
