// tries: seize and interrupt processes outside, init and supervisor among them
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor", "init"};
    for (int w = 0; w < 4; w++) {
        long pid = number(who[w]);
        if (!gain("PTRACE_SEIZE", sc(__NR_ptrace, 0x4206, pid, 0, 0))) continue;
        gain("PTRACE_INTERRUPT", sc(__NR_ptrace, 0x4207, pid, 0, 0));
        wait_for(pid, NULL);
        sc(__NR_ptrace, 17, pid, 0, 0);
    }
}
