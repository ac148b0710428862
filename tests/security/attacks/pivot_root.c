// tries: exchange the root directory by pivot_root(2), in a mount namespace that it makes if it may
// wall: seccomp
// control: root
#include "attack.h"
ATTACK
{
    char place[256], old[256], path[512];
    attempt("unshare", sc(__NR_unshare, CLONE_NEWNS));
    sc(__NR_mkdir, own(place, "pivot"), 0755);
    attempt("mount", sc(__NR_mount, "tmpfs", place, "tmpfs", 0, ""));
    sc(__NR_mkdir, own(old, "pivot/old"), 0755);
    if (!gain("pivot_root", sc(__NR_pivot_root, place, old))) return;
    format(path, sizeof path, "/old%s", text("secret_file"));
    show_file(path);
}
