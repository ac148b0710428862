// needs: root; names: any; row: "Process: umask, cwd, root"
// A process with a root of its own, files open inside and outside of it; its child has another root.
#include "harness.h"
static void check(const char *in) {
    struct stat st;
    OK(stat("/in", &st));
    FAILS(access("/proc", F_OK), ENOENT);
    char b[8] = {0};
    int fd = OK(open("/in", O_RDONLY));
    OK(read(fd, b, 7));
    STREQ(b, in);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("root", 0755)), OK(mkdir("root/sub", 0755)), OK(mkdir("root/sub/deep", 0755));
    int a = OK(open("root/in", O_CREAT | O_RDWR, 0644)), b = OK(open("root/sub/in", O_CREAT | O_RDWR, 0644));
    t_write(a, "outer", 5), t_write(b, "inner", 5);
    int fd = t_make_file("outside", 100, 1);
    t_root_fd = OK(open(t_dir, O_PATH | O_DIRECTORY));
    OK(chroot("root")), OK(chdir("/sub"));
    pid_t pid = t_fork();
    if (!pid) {
        OK(chroot("/sub")), OK(chdir("/deep"));
        t_mark("child");
        t_wait();
        check("inner");
        char cwd[PATH_MAX];
        CHECK(getcwd(cwd, sizeof cwd));
        STREQ(cwd, "/deep");
        _exit(0);
    }
    t_await("child");
    t_go();
    check("outer");
    char cwd[PATH_MAX], c;
    CHECK(getcwd(cwd, sizeof cwd));
    STREQ(cwd, "/sub");
    EQ(pread(fd, &c, 1, 0), 1);
    EQ((unsigned char)c, t_byte(0, 1));
    t_reap(pid);
    t_pass();
}
