// tries: bind mounts, remounts, changes of propagation, and detaching what covers the host's files
// wall: seccomp, the mount namespace
// control: root
#include "attack.h"
ATTACK
{
    attempt("bind", sc(__NR_mount, text("secret_dir"), text("dir"), "", MS_BIND | MS_REC, ""));
    attempt("remount", sc(__NR_mount, "", "/", "", MS_REMOUNT | MS_BIND | MS_NOATIME, ""));
    attempt("shared", sc(__NR_mount, "", "/", "", MS_SHARED | MS_REC, ""));
    attempt("umount", sc(__NR_umount2, "/proc", MNT_DETACH));
    attempt("umount", sc(__NR_umount2, "/dev/shm", MNT_DETACH));
}
