// needs: any; names: any; row: "Memory: memfd (seals)"
// A memfd mapped and held, shared with a child, its name, size, offset and seals.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(memfd_create("matrix", MFD_ALLOW_SEALING | MFD_CLOEXEC));
    OK(ftruncate(fd, 5 * PAGE));
    char *m = OK(mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    t_fill(m, 5 * PAGE, 4);
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    OK(lseek(fd, 123, SEEK_SET));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        m[0] = 99;
        char c = 98;
        EQ(pwrite(fd, &c, 1, 1), 1);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    EQ(m[0], 99);
    EQ(m[1], 98);
    EQ(OK(fcntl(fd, F_GET_SEALS)), F_SEAL_SHRINK | F_SEAL_GROW);
    FAILS(ftruncate(fd, PAGE), EPERM);
    FAILS(ftruncate(fd, 9 * PAGE), EPERM);
    EQ(lseek(fd, 0, SEEK_CUR), 123);
    EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    char link[PATH_MAX];
    ssize_t n = OK(readlink(t_text("/proc/self/fd/%d", fd), link, sizeof link - 1));
    link[n] = 0;
    STREQ(link, "/memfd:matrix (deleted)");
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_size, 5 * PAGE);
    m[0] = t_byte(0, 4);
    m[1] = t_byte(1, 4);
    t_same(m, 5 * PAGE, 4);
    t_pass();
}
