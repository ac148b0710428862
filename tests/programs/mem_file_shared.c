// needs: any; names: any; row: "Memory: shared file"
// A shared file mapping: what is written through it after the go signal reaches the file, and the reverse.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 4 * PAGE, 1);
    char *m = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    t_fill(m + PAGE, PAGE, 2);
    close(fd);
    t_go();
    t_same(m, PAGE, 1);
    t_same(m + PAGE, PAGE, 2);
    m[3 * PAGE] = 'w';
    fd = OK(open("f", O_RDWR));
    char c;
    EQ(pread(fd, &c, 1, 3 * PAGE), 1);
    EQ(c, 'w');
    EQ(pwrite(fd, "r", 1, 2 * PAGE), 1);
    EQ(m[2 * PAGE], 'r');
    t_pass();
}
