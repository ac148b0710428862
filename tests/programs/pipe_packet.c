// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// A packet mode pipe (O_DIRECT): boundaries of what was written, and of what is written after.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p[2];
    OK(pipe2(p, O_DIRECT));
    t_write(p[1], "one", 3), t_write(p[1], "three", 5), t_write(p[1], "x", 1);
    t_go();
    CHECK(fcntl(p[1], F_GETFL) & O_DIRECT);
    char b[100];
    EQ(OK(read(p[0], b, 100)), 3);
    EQ(OK(read(p[0], b, 2)), 2);
    MEMEQ(b, "th", 2);
    t_write(p[1], "after", 5);
    EQ(OK(read(p[0], b, 100)), 1);
    EQ(OK(read(p[0], b, 100)), 5);
    MEMEQ(b, "after", 5);
    t_pass();
}
