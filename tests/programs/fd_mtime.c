// needs: any; names: any; row: "Memory: shared file"
// Size, mtime and mode of files held open or mapped are not touched by the checkpoint.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 3 * PAGE, 1);
    char *m = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    EQ((unsigned char)m[5], t_byte(5, 1));
    struct timespec old[2] = {{1000000, 5}, {2000000, 7}};
    OK(futimens(fd, old));
    int ghost = t_make_file("g", 100, 2);
    OK(futimens(ghost, old)), OK(unlink("g"));
    t_go();
    struct stat st;
    OK(stat("f", &st));
    EQ(st.st_mtim.tv_sec, 2000000), EQ(st.st_mtim.tv_nsec, 7), EQ(st.st_size, 3 * PAGE);
    OK(fstat(ghost, &st));
    EQ(st.st_mtim.tv_sec, 2000000);
    m[5] = 1;
    t_pass();
}
