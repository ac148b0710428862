// tries: change the host's name and domain
// wall: the uts namespace, seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    attempt("sethostname", sc(__NR_sethostname, "stolen", 6));
    attempt("setdomainname", sc(__NR_setdomainname, "stolen", 6));
    long fd = sc(__NR_openat, AT("/proc/sys/kernel/hostname"), O_WRONLY);
    attempt("/proc/sys/kernel/hostname", fd < 0 ? fd : sc(__NR_write, fd, "stolen", 6));
}
