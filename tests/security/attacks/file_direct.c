// tries: open the host's secret file by its path, and by `..` above the root
// wall: the view
// control: both
// needs: tree
#include "attack.h"
ATTACK
{
    char path[512];
    show_file(text("secret_file"));
    format(path, sizeof path, "/../../../..%s", text("secret_file"));
    show_file(path);
    format(path, sizeof path, "/proc/self/root/..%s", text("secret_file"));
    show_file(path);
}
