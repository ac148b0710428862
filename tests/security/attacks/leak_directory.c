// tries: reach the host by the working directory of whoever invoked autopod
// wall: the view
// control: both
// needs: tree
#include "attack.h"
ATTACK
{
    show_file(text("secret_name"));
    show_file("/proc/1/cwd/etc/hostname");
    for (int i = 0; i < 32; i++) sc(__NR_chdir, "..");
    show_file(text("secret_file") + 1);
}
