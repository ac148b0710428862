// tries: walk through the barrier directory to a tree behind it: by its path, and by a descriptor of it that whoever started the program left
// wall: the barrier
// control: root
// needs: pods
// needs: barrier
#include "attack.h"
static void try_at(int at, const char *base)
{
    static const char *const forms[] = {".", "v", "v/root", "v/root/secret-file", "v/root/..", "v/root/../../v/root/secret-file"};
    char path[300], bytes[512];
    // where nothing is mounted, the place itself is an ordinary directory
    for (int i = at == 0 ? 0 : 1; i < 6; i++) {
        format(path, sizeof path, "%s%s", base, forms[i]);
        long fd = sc(__NR_openat, at, path, O_RDONLY);
        gain(path, fd);
        long got = fd < 0 ? fd : sc(i == 3 || i == 5 ? __NR_read : __NR_getdents64, fd, bytes, sizeof bytes);
        gain("read", got);
        gain("stat", sc(__NR_newfstatat, at, path, bytes, 0));
        gain("search", sc(__NR_faccessat, at, path, 1, 0));
    }
}
ATTACK
{
    char base[300], entries[512];
    format(base, sizeof base, "%s/", text_or("barrier", "/autopod"));
    try_at(AT_FDCWD, base);
    gain("getdents64", sc(__NR_getdents64, 0, entries, sizeof entries));
    gain("fchdir", sc(__NR_fchdir, 0));
    try_at(0, "");
}
