// tries: take all the machine's processes: a fork bomb
// wall: --pids, by a control group
// control: both
#include "attack.h"
ATTACK
{
    static int children[256];
    int made = 0;
    while (made < 200) {
        long pid = sc(__NR_fork);
        if (pid == 0) for (;;) sc(__NR_pause);
        if (pid < 0) { attempt("fork", pid); break; }
        children[made++] = (int)pid;
    }
    say("processes made: %d", (long)made);
    for (int i = 0; i < made; i++) sc(__NR_kill, children[i], SIGKILL), wait_for(children[i], NULL);
    if (made == 200) gain("two hundred processes", 0);
}
