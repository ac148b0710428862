// tries: read and replace the key that images are sealed with
// wall: the owner's permissions, covered directories (kernel names)
// control: both
// needs: pods
#include "attack.h"
ATTACK
{
    char key[64], other[300];
    const char *path = text("key");
    long fd = sc(__NR_openat, AT(path), O_RDONLY);
    gain("read", fd < 0 ? fd : sc(__NR_read, fd, key, sizeof key));
    fd = sc(__NR_openat, AT(path), O_WRONLY);
    attempt("write", fd < 0 ? fd : sc(__NR_pwrite64, fd, "0123", 4, 0));
    format(other, sizeof other, "%s.old", path);
    attempt("rename", sc(__NR_rename, path, other));
}
