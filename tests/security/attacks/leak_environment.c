// tries: read what was in the environment of whoever invoked autopod
// wall: programs get an environment of their own
// control: both
#include "attack.h"
ATTACK
{
    char **variable = arguments;
    while (*variable) variable++;
    for (variable++; *variable; variable++) say("%s", *variable);
    show_file("/proc/1/environ");
    attempts++;
}
