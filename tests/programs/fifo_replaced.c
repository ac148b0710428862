// needs: any; names: any; row: "Descriptors: fifos"
// A fifo unlinked while open and made again under its name: two, each with its own data.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("f", 0600));
    int old = OK(open("f", O_RDWR | O_NONBLOCK));
    t_write(old, "old", 3);
    OK(unlink("f"));
    OK(mkfifo("f", 0600));
    int new = OK(open("f", O_RDWR | O_NONBLOCK));
    t_write(new, "newer", 5);
    t_go();
    char b[8];
    EQ(OK(read(old, b, 8)), 3);
    MEMEQ(b, "old", 3);
    int again = OK(open("f", O_RDONLY | O_NONBLOCK));
    EQ(OK(read(again, b, 8)), 5);
    MEMEQ(b, "newer", 5);
    struct stat s;
    OK(fstat(old, &s)), EQ(s.st_nlink, 0), CHECK(S_ISFIFO(s.st_mode));
    OK(fstat(new, &s)), EQ(s.st_nlink, 1);
    t_pass();
}
