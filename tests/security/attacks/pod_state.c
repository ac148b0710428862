// tries: change what AutoPod keeps: records, logs, runtime and state directories, its own and a neighbour's, and the neighbour's table
// wall: the owner's permissions, covered directories (kernel names)
// control: both
// needs: pods
#include "attack.h"
static void one(const char *form, const char *directory)
{
    char path[512];
    format(path, sizeof path, form, directory);
    long fd = sc(__NR_openat, AT(path), O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    attempt(path, fd < 0 ? fd : sc(__NR_pwrite64, fd, "{}", 2, 0));
    attempt("unlink", sc(__NR_unlink, path));
}
ATTACK
{
    const char *const keys[] = {"state", "neighbour_state", "runtime", "neighbour_runtime"};
    for (int i = 0; i < 4; i++) {
        const char *directory = text(keys[i]);
        static const char *const names[] = {"%s/pod.json", "%s/supervisor.log", "%s/init.json", "%s/mounts", "%s/supervisor.lock"};
        for (int n = 0; n < 5; n++) one(names[n], directory);
        char path[512];
        format(path, sizeof path, "%s/planted", directory);
        attempt(path, sc(__NR_openat, AT(path), O_CREAT | O_WRONLY, 0600));
    }
    one("%s/table", text("neighbour_runtime"));
}
