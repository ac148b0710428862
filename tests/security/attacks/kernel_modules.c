// tries: load and remove modules of the kernel
// wall: seccomp, capabilities
// control: root
// unless: ENOSYS this kernel is built without modules
#include "attack.h"
ATTACK
{
    char path[256];
    gate("init_module", sc(__NR_init_module, "no module", 9, ""));
    long fd = sc(__NR_openat, AT(own(path, "module")), O_RDWR | O_CREAT, 0600);
    sc(__NR_write, fd, "no module", 9);
    gate("finit_module", sc(__NR_finit_module, fd, "", 0));
    gate("delete_module", sc(__NR_delete_module, "autopod_none", 0));
}
