// A program that does nothing, for ever.
#include "attacks/attack.h"

ATTACK
{
    sc(__NR_alarm, 0);
    for (;;) sc(__NR_pause);
}
