// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset"
// After the go signal an exec closes exactly the descriptors with close-on-exec, and std streams still work.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int keep = t_make_file("keep", 10, 1), shut = OK(open("keep", O_RDONLY | O_CLOEXEC));
    t_go();
    OK(lseek(keep, 0, SEEK_SET));
    int s = system(t_text("[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ] && echo through the log && head -c 3 <&%d >three", keep, shut, keep));
    EQ(s, 0);
    EQ(lseek(keep, 0, SEEK_CUR), 3);
    struct stat st;
    OK(stat("three", &st));
    EQ(st.st_size, 3);
    char b[100] = {0};
    OK(pread(OK(open("log", O_RDONLY)), b, 99, 0));
    STREQ(b, "through the log\n");
    t_pass();
}
