// tries: read environment, arguments and memory map of a process outside
// wall: the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    char path[128];
    static const char *const names[] = {"environ", "maps", "auxv", "stack", "syscall", "io"};
    for (int i = 0; i < 6; i++) {
        format(path, sizeof path, "/proc/%d/%s", number("victim"), names[i]);
        show_file(path);
        format(path, sizeof path, "/proc/%d/%s", number("neighbour"), names[i]);
        show_file(path);
    }
}
