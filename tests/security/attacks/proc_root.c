// tries: reach the host's files through root and working directory of processes outside: /proc/PID/root and cwd
// wall: the view
// control: both
// needs: tree
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor", "parent"};
    char path[512];
    for (int w = 0; w < 4; w++) {
        const char *pid = w < 3 ? text(who[w]) : "1";
        format(path, sizeof path, "/proc/%s/root%s", pid, text("secret_file"));
        show_file(path);
        format(path, sizeof path, "/proc/%s/cwd/%s", pid, text("secret_name"));
        show_file(path);
    }
}
