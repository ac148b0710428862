// needs: any; names: any; row: "Descriptors: deleted (with contents)"
// Deleted files held open: contents, size, offset, link count, two descriptions of one file, a child that shares one.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("gone", 100000, 1), second = OK(open("gone", O_RDONLY));
    OK(fchmod(fd, 0640));
    OK(lseek(fd, 500, SEEK_SET));
    int empty = OK(open("empty", O_CREAT | O_RDWR, 0600)), sparse = OK(open("sparse", O_CREAT | O_RDWR, 0600));
    OK(ftruncate(sparse, 1l << 32));
    EQ(pwrite(sparse, "mid", 3, 1l << 31), 3);
    OK(unlink("gone")), OK(unlink("empty")), OK(unlink("sparse"));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        EQ(pwrite(fd, "child", 5, 9), 5);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    struct stat a, b;
    OK(fstat(fd, &a)), OK(fstat(second, &b));
    EQ(a.st_size, 100000);
    EQ(a.st_nlink, 0);
    EQ(a.st_mode & 0777, 0640);
    EQ(a.st_ino, b.st_ino);
    EQ(lseek(fd, 0, SEEK_CUR), 500);
    EQ(lseek(second, 0, SEEK_CUR), 0);
    char *x = malloc(100000);
    t_read(second, x, 100000);
    MEMEQ(x + 9, "child", 5);
    for (int i = 9; i < 14; i++) x[i] = t_byte(i, 1);
    t_same(x, 100000, 1);
    OK(fstat(empty, &a));
    EQ(a.st_size, 0);
    OK(fstat(sparse, &a));
    EQ(a.st_size, 1l << 32);
    if (a.st_blocks > 4096) FAIL("sparse file uses %ld blocks", (long)a.st_blocks);
    EQ(pread(sparse, x, 3, 1l << 31), 3);
    MEMEQ(x, "mid", 3);
    FAILS(access("gone", F_OK), ENOENT);
    char link[PATH_MAX] = {0};
    OK(readlink(t_text("/proc/self/fd/%d", fd), link, sizeof link - 1));
    STREQ(link, t_text("%s/gone (deleted)", t_dir));
    t_pass();
}
