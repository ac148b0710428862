// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A program executed from a memfd (fexecve(3)): there is no file of it anywhere.
#include "harness.h"
extern char **environ;
int main(int argc, char **argv) {
    if (!getenv("FROM_MEMFD")) {
        int file = open("/proc/self/exe", O_RDONLY), memory = (int)syscall(SYS_memfd_create, "the program", 0);
        char b[65536];
        for (ssize_t n; (n = read(file, b, sizeof b)) > 0;) write(memory, b, n);
        close(file);
        setenv("FROM_MEMFD", "1", 1);
        fcntl(memory, F_SETFD, FD_CLOEXEC);
        fexecve(memory, argv, environ);
        _exit(9);
    }
    t_start(argc, argv);
    char before[256] = {0}, after[256] = {0};
    OK(readlink("/proc/self/exe", before, 255));
    CHECK(strstr(before, "the program"));
    t_go();
    OK(readlink("/proc/self/exe", after, 255));
    CHECK(strstr(after, "the program"));
    STREQ(getenv("FROM_MEMFD"), "1");
    t_pass();
}
