// tries: mount tmpfs over a directory of the host's
// wall: seccomp, the mount namespace
// control: root
#include "attack.h"
ATTACK
{
    attempt("mount", sc(__NR_mount, "tmpfs", text("secret_dir"), "tmpfs", 0, ""));
    attempt("mount over its own", sc(__NR_mount, "tmpfs", text("dir"), "tmpfs", 0, ""));
}
