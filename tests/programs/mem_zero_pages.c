// needs: any; names: any; row: "Memory: zero pages not stored"
// 512 MB of memory that was only read (the zero page), and a sparse memfd of 1 GB: they read zero and stay unallocated.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    size_t len = 512ul << 20;
    char *m = t_map(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    OK(madvise(m, len, MADV_NOHUGEPAGE));
    for (size_t i = 0; i < len; i += PAGE) EQ(m[i], 0);
    m[len / 2] = 5;
    int fd = OK(memfd_create("sparse", 0));
    OK(ftruncate(fd, 1ul << 30));
    EQ(pwrite(fd, "end", 3, (1ul << 30) - 3), 3);
    t_go();
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_size, 1ul << 30);
    if (st.st_blocks > 8192) FAIL("sparse memfd uses %ld blocks", (long)st.st_blocks);
    char three[3];
    EQ(pread(fd, three, 3, (1ul << 30) - 3), 3);
    MEMEQ(three, "end", 3);
    long resident = atol(t_status("RssAnon"));
    if (resident > 64 << 10) FAIL("%ld kB resident", resident);
    for (size_t i = 0; i < len; i += PAGE) EQ(m[i], i == len / 2 ? 5 : 0);
    t_pass();
}
