// tries: become root of a user namespace of its own, and mount, change addresses, trace and read there
// wall: seccomp, Landlock
// control: both
#include "attack.h"
ATTACK
{
    char place[256], path[300];
    if (!attempt("unshare", sc(__NR_unshare, CLONE_NEWUSER | CLONE_NEWNS))) {
        struct { uint64_t flags, rest[10]; } how = {CLONE_NEWUSER | CLONE_NEWNS, {0}};
        how.rest[3] = SIGCHLD;
        long child = sc(__NR_clone3, &how, sizeof how);
        if (child > 0) wait_for(child, NULL);
        if (child == 0) gain("clone3", 0), leave(1);
        attempt("clone3", child);
        return;
    }
    // A namespace in which everything of the kernel is within reach is a gain, whatever comes of it.
    gain("a user namespace", 0);
    gain("mount", sc(__NR_mount, "tmpfs", own(place, ""), "tmpfs", 0, ""));
    format(path, sizeof path, "/proc/%d/environ", number("victim"));
    show_file(path);
}
