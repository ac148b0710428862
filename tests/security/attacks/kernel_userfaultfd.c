// tries: hold up the kernel at page faults (userfaultfd(2)), a tool of many exploits
// wall: seccomp
// control: root
#include "attack.h"
ATTACK { gain("userfaultfd", sc(__NR_userfaultfd, 0)); }
