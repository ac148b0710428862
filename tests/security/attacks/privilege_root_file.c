// tries: read a file that is the host's root's alone, and write to one
// wall: the view
// control: root
// needs: tree
#include "attack.h"
ATTACK
{
    show_file(text("root_file"));
    gain("writing", sc(__NR_openat, AT(text("root_file")), O_RDWR));
}
