// needs: any; names: any; slow; row: "Descriptors: number, close-on-exec, status flags, offset"
// As many descriptors as the limit allows, up to 10,000.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct rlimit r;
    OK(getrlimit(RLIMIT_NOFILE, &r));
    r.rlim_cur = r.rlim_max;
    OK(setrlimit(RLIMIT_NOFILE, &r));
    int n = r.rlim_max > 10100 ? 10000 : (int)r.rlim_max - 100;
    int *fd = malloc(n * sizeof *fd);
    close(t_make_file("f", 20000, 1));
    for (int i = 0; i < n; i++) fd[i] = OK(open("f", i % 3 ? O_RDONLY : O_RDWR)), OK(lseek(fd[i], i, SEEK_SET));
    t_go();
    for (int i = 0; i < n; i++) {
        unsigned char c;
        EQ(OK(read(fd[i], &c, 1)), 1);
        EQ(c, t_byte(i, 1));
        EQ(fcntl(fd[i], F_GETFL) & O_ACCMODE, i % 3 ? O_RDONLY : O_RDWR);
    }
    t_pass();
}
