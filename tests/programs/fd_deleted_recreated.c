// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// A file deleted and created again under its name: the held one and the new one stay apart, both held.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int old = t_make_file("f", 5000, 1);
    OK(unlink("f"));
    int new = t_make_file("f", 6000, 2);
    char *m = OK(mmap(NULL, 5000, PROT_READ, MAP_SHARED, old, 0));
    t_go();
    struct stat a, b, c;
    OK(fstat(old, &a)), OK(fstat(new, &b)), OK(stat("f", &c));
    CHECK(a.st_ino != b.st_ino);
    EQ(b.st_ino, c.st_ino);
    EQ(a.st_nlink, 0);
    EQ(a.st_size, 5000);
    EQ(b.st_size, 6000);
    t_same(m, 5000, 1);
    char x[6000];
    EQ(pread(new, x, 6000, 0), 6000);
    t_same(x, 6000, 2);
    t_pass();
}
