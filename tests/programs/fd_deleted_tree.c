// needs: any; names: any; row: "Process: umask, cwd, root"
// A deleted file in a deleted directory in a deleted directory; two processes stand in the deleted directories.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("a", 0755)), OK(mkdir("a/b", 0700));
    int fd = t_make_file("a/b/f", 3000, 8), dir = OK(open("a/b", O_RDONLY | O_DIRECTORY));
    pid_t pid = t_fork();
    if (!pid) {
        OK(chdir("a/b"));
        t_mark("child");
        t_wait();
        struct stat s;
        OK(stat(".", &s)), EQ(s.st_nlink, 0), EQ(s.st_mode & 07777, 0700);
        FAILS(open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
        char b[8];
        FAILS(syscall(SYS_getcwd, b, 0), ENOENT);
        _exit(0);
    }
    t_await("child");
    OK(unlink("a/b/f")), OK(rmdir("a/b"));
    OK(chdir("a")), OK(rmdir("../a"));
    t_go();
    struct stat s;
    OK(fstat(dir, &s)), EQ(s.st_nlink, 0);
    char b[3000];
    EQ(OK(pread(fd, b, 3000, 0)), 3000);
    t_same(b, 3000, 8);
    OK(fstat(fd, &s)), EQ(s.st_nlink, 0), EQ(s.st_size, 3000);
    FAILS(openat(dir, "y", O_CREAT | O_WRONLY, 0600), ENOENT);
    t_reap(pid);
    t_pass();
}
