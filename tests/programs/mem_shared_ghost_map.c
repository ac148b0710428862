// needs: any; names: any; row: "Memory: deleted file"
// A deleted file held by a descriptor in one process and mapped in another: one file still.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("g", 2 * PAGE, 1);
    pid_t pid = t_fork();
    if (!pid) {
        char *m = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        close(fd);
        t_mark("child");
        t_wait();
        t_same(m, 2 * PAGE, 1);
        m[77] = 'm';
        t_mark("wrote");
        t_await("grown");
        EQ(m[PAGE + 5], 'g');
        _exit(0);
    }
    t_await("child");
    OK(unlink("g"));
    t_go();
    t_await("wrote");
    char c;
    EQ(pread(fd, &c, 1, 77), 1);
    EQ(c, 'm');
    EQ(pwrite(fd, "g", 1, PAGE + 5), 1);
    t_mark("grown");
    t_reap(pid);
    t_pass();
}
