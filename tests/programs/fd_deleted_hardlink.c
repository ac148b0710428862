// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// A file opened by a name that is deleted while another hard link remains: it is still that file.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("first", 5000, 1);
    OK(link("first", "second")), OK(unlink("first"));
    t_go();
    struct stat a, b;
    OK(fstat(fd, &a)), OK(stat("second", &b));
    EQ(a.st_ino, b.st_ino);
    EQ(a.st_nlink, 1);
    EQ(pwrite(fd, "via fd", 6, 0), 6);
    char x[6];
    EQ(pread(OK(open("second", O_RDONLY)), x, 6, 0), 6);
    MEMEQ(x, "via fd", 6);
    FAILS(access("first", F_OK), ENOENT);
    t_pass();
}
