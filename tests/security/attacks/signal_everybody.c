// tries: signal all there are: kill(-1)
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK { attempt("kill", sc(__NR_kill, -1, SIGTERM)); }
