// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A child whose program file was moved to another directory since it started, and one started through a symbolic link.
#include "harness.h"
int main(int argc, char **argv) {
    if (argc > 3) {
        strcpy(t_dir, argv[2]);
        t_file = __FILE__;
        t_mark(argv[3]);
        t_wait();
        char exe[PATH_MAX] = {0};
        OK(readlink("/proc/self/exe", exe, PATH_MAX - 1));
        STREQ(strrchr(exe, '/'), argv[4]);
        STREQ(program_invocation_name, argv[0]);
        _exit(0);
    }
    t_start(argc, argv);
    char buffer[65536];
    int in = OK(open("/proc/self/exe", O_RDONLY)), out = OK(open("copy", O_WRONLY | O_CREAT, 0755));
    for (ssize_t n; (n = OK(read(in, buffer, sizeof buffer))) > 0;) t_write(out, buffer, n);
    close(in), close(out);
    OK(mkdir("elsewhere", 0755)), OK(symlink("copy", "link"));
    pid_t kids[2];
    for (int i = 0; i < 2; i++)
        if (!(kids[i] = t_fork())) {
            execl(i ? "./link" : "./copy", "a name of its own", "--daemon", t_dir, i ? "k1" : "k0", "/moved", NULL);
            _exit(9);
        }
    t_await("k0"), t_await("k1");
    OK(rename("copy", "elsewhere/moved"));
    t_go();
    t_reap(kids[0]), t_reap(kids[1]);
    t_pass();
}
