// needs: any; names: any; row: "Memory: private file (written pages only)"
// A private file mapping with one page written: that page is ours, the others follow the file, the file is untouched.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 8 * PAGE, 1);
    char *m = OK(mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE));
    t_fill(m + 2 * PAGE, PAGE, 2);
    t_go();
    char expected[8 * PAGE], got[8 * PAGE];
    t_fill(expected, sizeof expected, 1);
    MEMEQ(m, expected + PAGE, 2 * PAGE);
    t_same(m + 2 * PAGE, PAGE, 2);
    MEMEQ(m + 3 * PAGE, expected + 4 * PAGE, 3 * PAGE);
    EQ(pread(fd, got, sizeof got, 0), sizeof got);
    MEMEQ(got, expected, sizeof got);
    t_vma v;
    CHECK(t_vma_at(m, &v));
    EQ(v.offset, PAGE);
    STREQ(v.path, t_text("%s/f", t_dir));
    STREQ(v.perms, "rw-p");
    char one = 'x';
    EQ(pwrite(fd, &one, 1, 5 * PAGE), 1);
    EQ(m[4 * PAGE], 'x');
    t_pass();
}
