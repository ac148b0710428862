// tries: mount proc(5) anew and read the environment of a process outside
// wall: seccomp, the pid namespace
// control: root
#include "attack.h"
ATTACK
{
    char place[256], path[300];
    sc(__NR_mkdir, own(place, "proc"), 0755);
    if (!attempt("mount", sc(__NR_mount, "proc", place, "proc", 0, ""))) return;
    format(path, sizeof path, "%s/%d/environ", place, number("victim"));
    show_file(path);
}
