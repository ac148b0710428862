// needs: any; names: any; row: "Descriptors: O_TMPFILE"
// An O_TMPFILE file opened with O_EXCL: its contents, and that it can never be given a name.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int never = OK(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
    char b[10], c[10];
    t_fill(b, sizeof b, 1);
    t_write(never, b, sizeof b);
    t_go();
    EQ(pread(never, c, sizeof c, 0), 10);
    t_same(c, sizeof c, 1);
    FAILS(linkat(AT_FDCWD, t_text("/proc/self/fd/%d", never), AT_FDCWD, "no", AT_SYMLINK_FOLLOW), ENOENT);
    t_pass();
}
