// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// A deleted file of 2 GB with three islands of data and trailing space: islands kept, holes stay holes.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open("g", O_RDWR | O_CREAT, 0600));
    char b[8192], c[8192];
    t_fill(b, sizeof b, 1);
    static const off_t at[] = {0, 700ul << 20, (1600ul << 20) + 12345};
    for (int i = 0; i < 3; i++) EQ(pwrite(fd, b, sizeof b, at[i]), sizeof b);
    OK(ftruncate(fd, 2ul << 30)), OK(unlink("g"));
    t_go();
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_size, 2ul << 30);
    if (st.st_blocks > 2048) FAIL("%ld blocks", (long)st.st_blocks);
    for (int i = 0; i < 3; i++) {
        EQ(pread(fd, c, sizeof c, at[i]), sizeof c);
        t_same(c, sizeof c, 1);
    }
    EQ(pread(fd, c, 100, 100 << 20), 100);
    EQ(c[0] | c[99], 0);
    t_pass();
}
