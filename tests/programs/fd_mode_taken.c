// needs: any; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// Files that were opened and then closed to everybody (mode 0): still open, still as they were.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int rw = t_make_file("rw", 5000, 1), ro;
    close(t_make_file("ro", 5000, 2));
    ro = OK(open("ro", O_RDONLY));
    OK(chmod("rw", 0)), OK(chmod("ro", 0));
    OK(lseek(rw, 17, SEEK_SET)), OK(lseek(ro, 99, SEEK_SET));
    t_go();
    struct stat s;
    OK(fstat(rw, &s)), EQ(s.st_mode & 07777, 0);
    EQ(lseek(rw, 0, SEEK_CUR), 17), EQ(lseek(ro, 0, SEEK_CUR), 99);
    char b[5000];
    EQ(OK(pread(rw, b, 5000, 0)), 5000);
    t_same(b, 5000, 1);
    EQ(OK(pread(ro, b, 5000, 0)), 5000);
    t_same(b, 5000, 2);
    FAILS(write(ro, "x", 1), EBADF);
    t_pass();
}
