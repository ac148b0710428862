// needs: any; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// Sparse files, one of them deleted: holes stay holes, offsets beyond the end and beyond 32 bits stay.
#include "harness.h"
#include <linux/falloc.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int live = t_make_file("live", 1 << 20, 4), dead = OK(open("dead", O_RDWR | O_CREAT, 0600));
    int punched = fallocate(live, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 131072) == 0;
    OK(ftruncate(dead, 1l << 33));
    EQ(OK(pwrite(dead, "middle", 6, 1l << 32)), 6);
    OK(unlink("dead"));
    OK(lseek(live, 1l << 40, SEEK_SET)), OK(lseek(dead, (1l << 32) + 3, SEEK_SET));
    struct stat before[2], now[2];
    OK(fstat(live, &before[0])), OK(fstat(dead, &before[1]));
    t_go();
    OK(fstat(live, &now[0])), OK(fstat(dead, &now[1]));
    EQ(now[1].st_size, 1l << 33);
    CHECK(now[1].st_blocks <= before[1].st_blocks + 64);
    EQ(now[0].st_blocks, before[0].st_blocks);
    EQ(lseek(live, 0, SEEK_CUR), 1l << 40);
    char b[6];
    t_read(dead, b, 3);
    MEMEQ(b, "dle", 3);
    EQ(OK(pread(live, b, 6, 70000)), 6);
    if (punched) MEMEQ(b, "\0\0\0\0\0\0", 6);
    EQ(OK(pread(dead, b, 6, 0)), 6);
    MEMEQ(b, "\0\0\0\0\0\0", 6);
    t_pass();
}
