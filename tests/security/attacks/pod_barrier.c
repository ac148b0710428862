// tries: walk through the barrier directory: list, enter and open /autopod and what lies in it
// wall: the barrier
// control: none without pods there is nothing behind it
// needs: tree
#include "attack.h"
ATTACK
{
    char path[300], entries[512];
    const char *barrier = text_or("barrier", "/autopod");
    const char *const forms[] = {"%s", "%s/a", "%s/a/root", "%s/n", "%s/n/root", "%s/n/root/.."};
    for (int i = 0; i < 6; i++) {
        format(path, sizeof path, forms[i], barrier);
        long fd = sc(__NR_openat, AT(path), O_RDONLY | O_DIRECTORY);
        gain(path, fd < 0 ? fd : sc(__NR_getdents64, fd, entries, sizeof entries));
        gain("chdir", sc(__NR_chdir, path));
    }
}
