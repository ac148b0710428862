// tries: replace the shim's library and the autopod program, which others execute
// wall: the owner's permissions, covered directories (kernel names)
// control: root
// needs: pods
#include "attack.h"
ATTACK
{
    const char *const keys[] = {"shim", "autopod"};
    for (int i = 0; i < 2; i++) {
        char other[300];
        const char *path = text(keys[i]);
        long fd = sc(__NR_openat, AT(path), O_WRONLY);
        attempt("write", fd < 0 ? fd : sc(__NR_pwrite64, fd, "gotcha", 6, 0));
        attempt("chmod", sc(__NR_fchmodat, AT(path), 0777));
        format(other, sizeof other, "%s.old", path);
        attempt("rename", sc(__NR_rename, path, other));
    }
}
