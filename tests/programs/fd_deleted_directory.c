// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// An open directory that has been deleted, and a file opened in it before.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0700)), OK(mkdir("d/e", 0750));
    int file = t_make_file("d/e/f", 500, 1), dir = OK(open("d/e", O_RDONLY | O_DIRECTORY));
    OK(unlink("d/e/f")), OK(rmdir("d/e")), OK(rmdir("d"));
    t_go();
    struct stat st;
    OK(fstat(dir, &st));
    CHECK(S_ISDIR(st.st_mode));
    EQ(st.st_nlink, 0), EQ(st.st_mode & 0777, 0750);
    FAILS(openat(dir, "x", O_CREAT | O_WRONLY, 0600), ENOENT);
    char b[500];
    EQ(pread(file, b, 500, 0), 500);
    t_same(b, 500, 1);
    FAILS(access("d", F_OK), ENOENT);
    t_pass();
}
