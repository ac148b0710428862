// needs: any; names: any; row: "Descriptors: renamed"
// A file renamed while held, in a directory renamed while held, and one replaced by rename.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755));
    int fd = t_make_file("d/a", 1000, 1), dir = OK(open("d", O_RDONLY | O_DIRECTORY)), replaced = t_make_file("r", 100, 3);
    close(t_make_file("new", 200, 4));
    OK(rename("d/a", "d/b")), OK(rename("d", "e")), OK(rename("new", "r"));
    t_go();
    struct stat a, b;
    OK(fstat(fd, &a)), OK(stat("e/b", &b));
    EQ(a.st_ino, b.st_ino);
    OK(fstat(dir, &a)), OK(stat("e", &b));
    EQ(a.st_ino, b.st_ino);
    OK(fstatat(dir, "b", &a, 0));
    char link[PATH_MAX] = {0}, x[100];
    OK(readlink(t_text("/proc/self/fd/%d", fd), link, sizeof link - 1));
    STREQ(link, t_text("%s/e/b", t_dir));
    OK(fstat(replaced, &a)), OK(stat("r", &b));
    CHECK(a.st_ino != b.st_ino);
    EQ(pread(replaced, x, 100, 0), 100);
    t_same(x, 100, 3);
    EQ(b.st_size, 200);
    t_pass();
}
