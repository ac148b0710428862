// tries: attach to a process outside by ptrace(2), and change a word of its memory
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
#define PTRACE_POKEDATA 5
#define PTRACE_ATTACH 16
#define PTRACE_DETACH 17
ATTACK
{
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        long pid = number(who[w]);
        if (!attempt("PTRACE_ATTACH", sc(__NR_ptrace, PTRACE_ATTACH, pid, 0, 0))) continue;
        wait_for(pid, NULL);
        attempt("PTRACE_POKEDATA", sc(__NR_ptrace, PTRACE_POKEDATA, pid, number("address"), 0x6168637461676f67));
        sc(__NR_ptrace, PTRACE_DETACH, pid, 0, 0);
    }
}
