// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// Pipes whose buffers are pages of a file (splice), of another pipe (tee), and of the program's memory (vmsplice).
#include "harness.h"
#include <sys/uio.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int file = t_make_file("source", 20000, 3), a[2], b[2], c[2];
    OK(pipe(a)), OK(pipe(b)), OK(pipe(c));
    loff_t at = 100;
    EQ(OK(splice(file, &at, a[1], NULL, 10000, 0)), 10000);
    EQ(OK(tee(a[0], b[1], 6000, 0)), 6000);
    static char memory[3000];
    t_fill(memory, sizeof memory, 9);
    struct iovec part = {memory, sizeof memory};
    EQ(OK(vmsplice(c[1], &part, 1, 0)), 3000);
    t_go();
    char *want = malloc(20000), got[10000];
    t_fill(want, 20000, 3);
    t_read(a[0], got, 10000);
    MEMEQ(got, want + 100, 10000);
    t_read(b[0], got, 6000);
    MEMEQ(got, want + 100, 6000);
    t_read(c[0], got, 3000);
    t_same(got, 3000, 9);
    t_pass();
}
