// tries: open a file of the host for writing that it was given to read
// wall: Landlock holds opening to the pod's tree
// control: both
// needs: tree
// needs: file
#include "attack.h"
ATTACK
{
    long fd = sc(__NR_openat, AT("/proc/self/fd/0"), O_WRONLY);
    attempt("reopening it", fd < 0 ? fd : sc(__NR_pwrite64, fd, "spoilt", 6, 0));
    attempt("emptying it", sc(__NR_truncate, "/proc/self/fd/0", 1));
    char path[256];
    long linked = sc(__NR_linkat, AT("/proc/self/fd/0"), AT(own(path, "linked")), AT_SYMLINK_FOLLOW);
    fd = linked < 0 ? linked : sc(__NR_openat, AT(path), O_WRONLY);
    attempt("writing a link to it", fd < 0 ? fd : sc(__NR_pwrite64, fd, "spoilt", 6, 0));
}
