// tries: stop processes outside by SIGSTOP
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    attempt("kill", sc(__NR_kill, number("victim"), SIGSTOP));
    attempt("kill", sc(__NR_kill, number("neighbour"), SIGSTOP));
}
