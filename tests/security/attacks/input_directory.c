// tries: open files by a directory of the host that it was given as its input
// wall: Landlock holds opening to the pod's tree
// control: both
// needs: tree
// needs: directory
#include "attack.h"
ATTACK
{
    char path[256];
    show("by the descriptor", sc(__NR_openat, 0, text("secret_name"), O_RDONLY));
    format(path, sizeof path, "/proc/self/fd/0/%s", text("secret_name"));
    show_file(path);
    format(path, sizeof path, "/proc/self/fd/0/../secret/%s", text("secret_name"));
    show_file(path);
    if (attempt("entering it", sc(__NR_fchdir, 0))) {
        carried_out = 0; // to be there gives nothing
        show_file(text("secret_name"));
        format(path, sizeof path, "../secret/%s", text("secret_name"));
        show_file(path);
    }
    gain("listing it", sc(__NR_openat, 0, ".", O_RDONLY | O_DIRECTORY));
    // into the pod's own tree, where it could be opened
    gain("a link to it", sc(__NR_linkat, 0, text("secret_name"), AT(own(path, "linked")), 0));
    if (sc(__NR_chroot, ".") == 0) show_file(text("secret_name"));
}
