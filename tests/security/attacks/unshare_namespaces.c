// tries: namespaces of its own without a user namespace: mount, uts, ipc, net, pid, cgroup, time
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    static const struct { const char *name; long flag; } kinds[] = {{"mount", CLONE_NEWNS}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID}, {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
    for (int i = 0; i < 7; i++) gain(kinds[i].name, sc(__NR_unshare, kinds[i].flag));
}
