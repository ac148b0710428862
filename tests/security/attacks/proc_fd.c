// tries: reach an open file of a process outside by /proc/PID/fd, and what init and supervisor have open
// wall: the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    char path[128];
    for (int fd = 0; fd < 12; fd++) {
        const char *const who[] = {text("victim"), text("neighbour"), text("supervisor"), text("init"), "1"};
        for (int w = 0; w < 5; w++) {
            format(path, sizeof path, "/proc/%s/fd/%d", who[w], (long)fd);
            show_file(path);
        }
    }
}
