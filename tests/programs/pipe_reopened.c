// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// A pipe reopened through /proc/self/fd: more descriptions of its ends, with flags of their own.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p[2];
    OK(pipe(p));
    int r = OK(open(t_text("/proc/self/fd/%d", p[0]), O_RDONLY | O_NONBLOCK)), w = OK(open(t_text("/proc/self/fd/%d", p[1]), O_WRONLY));
    int both = OK(open(t_text("/proc/self/fd/%d", p[0]), O_RDWR));
    t_write(w, "abc", 3);
    t_go();
    char c[4];
    EQ(OK(read(r, c, 1)), 1);
    EQ(OK(read(p[0], c, 1)), 1);
    EQ(OK(read(both, c, 1)), 1);
    EQ(c[0], 'c');
    FAILS(read(r, c, 1), EAGAIN);
    t_write(both, "z", 1);
    t_read(p[0], c, 1);
    CHECK(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
    close(p[1]), close(w);
    FAILS(read(r, c, 1), EAGAIN);
    close(both);
    EQ(OK(read(r, c, 1)), 0);
    t_pass();
}
