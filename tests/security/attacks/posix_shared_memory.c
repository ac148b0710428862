// tries: read, change and unlink POSIX shared memory of the host and of another pod, by name and by listing /dev/shm
// wall: the private /dev/shm (kernel names)
// control: both
#include "attack.h"
static void one(const char *name)
{
    char path[300];
    format(path, sizeof path, "/dev/shm/%s", name);
    long fd = sc(__NR_openat, AT(path), O_RDWR);
    show(path, fd);
    if (fd >= 0) attempt("write", sc(__NR_pwrite64, fd, "!", 1, 0));
    attempt("unlink", sc(__NR_unlink, path));
}
ATTACK
{
    char entries[4096];
    one(text("posix"));
    one(text("neighbour_posix"));
    long fd = sc(__NR_openat, AT("/dev/shm"), O_RDONLY | O_DIRECTORY);
    long n = fd < 0 ? 0 : sc(__NR_getdents64, fd, entries, sizeof entries);
    for (long at = 0; at < n; at += *(unsigned short *)(entries + at + 16))
        if (entries[at + 19] != '.') one(entries + at + 19);
}
