// tries: signal processes outside by kill(2), tkill(2), tgkill(2)
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor"};
    for (int w = 0; w < 3; w++) {
        long pid = number(who[w]);
        attempt("kill", sc(__NR_kill, pid, SIGTERM));
        attempt("tkill", sc(__NR_tkill, pid, SIGUSR1));
        attempt("tgkill", sc(__NR_tgkill, pid, pid, SIGUSR2));
    }
}
