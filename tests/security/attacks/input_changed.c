// tries: change a directory of the host that it was given as its input
// wall: Landlock holds making and removing to the pod's tree
// control: both
// needs: tree
// needs: directory
#include "attack.h"
ATTACK
{
    attempt("making a file", sc(__NR_openat, 0, "made", O_WRONLY | O_CREAT, 0600));
    attempt("making a directory", sc(__NR_mkdirat, 0, "made-directory", 0700));
    attempt("making a link", sc(__NR_symlinkat, "/", 0, "made-link"));
    attempt("renaming", sc(__NR_renameat, 0, text("secret_name"), 0, "renamed"));
    attempt("removing", sc(__NR_unlinkat, 0, "renamed", 0));
    attempt("removing", sc(__NR_unlinkat, 0, text("secret_name"), 0));
}
