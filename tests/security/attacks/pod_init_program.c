// tries: overwrite the program that init and the engine execute, by /proc/1/exe and /proc/PID/exe (the runc lesson)
// wall: the pid namespace, Landlock's ptrace rule
// control: root
// needs: pods
#include "attack.h"
ATTACK
{
    const char *const who[] = {"1", text("init"), text("supervisor")};
    for (int w = 0; w < 3; w++) {
        char path[64], again[64];
        format(path, sizeof path, "/proc/%s/exe", who[w]);
        // Writing is refused as "busy" while it runs: then it is only a matter of waiting.
        long fd = sc(__NR_openat, AT(path), O_WRONLY);
        if (w || !text_or("native", NULL)) gain(path, fd == -ETXTBSY ? 0 : fd);
        fd = sc(__NR_openat, AT(path), O_PATH);
        if (fd < 0) continue;
        format(again, sizeof again, "/proc/self/fd/%d", fd);
        fd = sc(__NR_openat, AT(again), O_WRONLY);
        if (w || !text_or("native", NULL)) gain(again, fd == -ETXTBSY ? 0 : fd);
    }
}
