// tries: end processes outside by SIGKILL: victim, neighbour, supervisors
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "neighbour_init", "supervisor"};
    for (int w = 0; w < 4; w++) attempt("kill", sc(__NR_kill, number(who[w]), SIGKILL));
}
