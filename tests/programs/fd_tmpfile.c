// needs: any; names: any; row: "Descriptors: O_TMPFILE"
// An O_TMPFILE file with contents: it can still be linked into the tree.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open(".", O_TMPFILE | O_RDWR, 0640));
    char b[9000], c[9000];
    t_fill(b, sizeof b, 1);
    t_write(fd, b, sizeof b);
    OK(lseek(fd, 17, SEEK_SET));
    t_go();
    EQ(lseek(fd, 0, SEEK_CUR), 17);
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_size, 9000);
    EQ(st.st_mode & 0777, 0640);
    EQ(pread(fd, c, sizeof c, 0), 9000);
    t_same(c, sizeof c, 1);
    OK(linkat(AT_FDCWD, t_text("/proc/self/fd/%d", fd), AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
    OK(stat("linked", &st));
    EQ(st.st_size, 9000);
    t_pass();
}
