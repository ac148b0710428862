// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset"
// 900 descriptors of five kinds.
#include "harness.h"
#include <sys/eventfd.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd[900];
    for (int i = 0; i < 900; i += 5) {
        fd[i] = t_make_file(t_text("f%d", i), i + 1, i);
        OK(lseek(fd[i], i / 2, SEEK_SET));
        OK(pipe(&fd[i + 1]));
        t_write(fd[i + 2], &i, sizeof i);
        fd[i + 3] = OK(eventfd(i + 1, EFD_NONBLOCK));
        fd[i + 4] = OK(open("/dev/null", O_RDONLY));
    }
    t_go();
    for (int i = 0; i < 900; i += 5) {
        EQ(lseek(fd[i], 0, SEEK_CUR), i / 2);
        int x;
        t_read(fd[i + 1], &x, sizeof x);
        EQ(x, i);
        uint64_t v;
        t_read(fd[i + 3], &v, 8);
        EQ(v, i + 1);
        EQ(read(fd[i + 4], &x, 1), 0);
    }
    t_pass();
}
