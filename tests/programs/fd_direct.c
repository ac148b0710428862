// needs: any; names: any; row: "Descriptors: O_DIRECT"
// A descriptor with O_DIRECT still has it and still reads and writes aligned.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int plain = t_make_file("f", 4 * PAGE, 1), fd = open("f", O_RDWR | O_DIRECT);
    if (fd < 0) FAIL("the file system of %s has no O_DIRECT", t_dir);
    char *b = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    OK(fsync(plain));
    OK(lseek(fd, PAGE, SEEK_SET));
    t_go();
    CHECK(fcntl(fd, F_GETFL) & O_DIRECT);
    EQ(OK(read(fd, b, PAGE)), PAGE);
    for (size_t i = 0; i < PAGE; i++) EQ((unsigned char)b[i], t_byte(PAGE + i, 1));
    EQ(OK(write(fd, b, PAGE)), PAGE);
    char c[PAGE];
    EQ(pread(plain, c, PAGE, 2 * PAGE), PAGE);
    MEMEQ(c, b, PAGE);
    t_pass();
}
