// needs: root; names: any; row: "Process: credentials: uids, gids, groups"
// The file-system ids alone differ: files made afterwards belong to them.
#include "harness.h"
#include <sys/fsuid.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    setfsgid(2002);
    setfsuid(2001);
    EQ(setfsuid(-1), 2001);
    t_go();
    EQ(setfsuid(-1), 2001);
    EQ(setfsgid(-1), 2002);
    EQ(geteuid(), 0);
    int fd = OK(open("made", O_WRONLY | O_CREAT, 0600));
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_uid, 2001);
    EQ(st.st_gid, 2002);
    t_pass();
}
