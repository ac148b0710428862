// tries: read a file that is the host's root's alone, and write to one
// wall: the view
// control: root
// needs: tree
#include "attack.h"
ATTACK
{
    show_file(text("root_file"));
    show_file("/etc/shadow");
    gain("/etc/shadow", sc(__NR_openat, AT("/etc/shadow"), O_RDWR));
    gain("/etc/passwd", sc(__NR_openat, AT("/etc/passwd"), O_RDWR));
}
