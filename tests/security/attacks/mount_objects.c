// tries: the newer mount calls: fsopen, fsconfig, fsmount, open_tree, move_mount, mount_setattr
// wall: seccomp, the mount namespace
// control: root
#include "attack.h"
ATTACK
{
    long fs = sc(430 /* fsopen */, "tmpfs", 0);
    if (attempt("fsopen", fs)) {
        sc(431 /* fsconfig */, fs, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0);
        long mount = sc(432 /* fsmount */, fs, 0, 0);
        if (attempt("fsmount", mount)) attempt("move_mount", sc(429, mount, (long)"", AT_FDCWD, text("secret_dir"), 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
    }
    long tree = sc(428 /* open_tree */, AT("/"), 1 /* OPEN_TREE_CLONE */);
    if (attempt("open_tree", tree)) attempt("move_mount", sc(429, tree, (long)"", AT_FDCWD, text("dir"), 4));
    struct { uint64_t set, clear, propagation, user; } how = {0x10 /* NOATIME */, 0x70, 0, 0};
    attempt("mount_setattr", sc(442, AT_FDCWD, "/", 0, &how, sizeof how));
}
