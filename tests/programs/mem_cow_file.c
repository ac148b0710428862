// needs: any; names: any; row: "Memory: private file (written pages only)"
// Private views of one file in parent, child and grandchild, each with pages of its own written; the file changes after.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 8 * PAGE, 1);
    char *m = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    m[PAGE] = 'a';
    pid_t pid = t_fork();
    if (!pid) {
        m[2 * PAGE] = 'b';
        pid_t inner = t_fork();
        if (!inner) {
            m[3 * PAGE] = 'c', m[PAGE] = 'C';
            t_mark("inner");
            t_await("written");
            EQ(m[PAGE], 'C'), EQ(m[2 * PAGE], 'b'), EQ(m[3 * PAGE], 'c'), EQ(m[5 * PAGE], 'F');
            _exit(0);
        }
        t_await("written");
        EQ(m[PAGE], 'a'), EQ(m[2 * PAGE], 'b'), EQ(m[3 * PAGE], (char)t_byte(3 * PAGE, 1)), EQ(m[5 * PAGE], 'F');
        t_reap(inner);
        _exit(0);
    }
    t_await("inner");
    t_go();
    EQ(OK(pwrite(fd, "F", 1, 5 * PAGE)), 1), EQ(OK(pwrite(fd, "F", 1, PAGE)), 1);
    t_mark("written");
    EQ(m[PAGE], 'a'), EQ(m[2 * PAGE], (char)t_byte(2 * PAGE, 1)), EQ(m[5 * PAGE], 'F');
    t_reap(pid);
    t_pass();
}
