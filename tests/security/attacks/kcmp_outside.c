// tries: compare kernel objects of processes outside by kcmp(2)
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK { gain("kcmp", sc(__NR_kcmp, number("victim"), number("victim"), 2 /* KCMP_FILES */, 0, 0)); }
