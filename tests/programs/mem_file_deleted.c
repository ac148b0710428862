// needs: any; names: any; row: "Memory: deleted file"
// Mappings of a deleted file: shared between two processes, private with a written page, no descriptor left.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("gone", 4 * PAGE, 1);
    char *s = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    t_fill(p + PAGE, PAGE, 3);
    t_fill(s + 2 * PAGE, PAGE, 2);
    close(fd);
    OK(unlink("gone"));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        s[0] = 'c';
        t_mark("wrote");
        _exit(0);
    }
    t_await("child");
    t_go();
    t_await("wrote");
    EQ(s[0], 'c');
    EQ(p[0], 'c');
    t_same(p + PAGE, PAGE, 3);
    t_same(s + 2 * PAGE, PAGE, 2);
    t_same(p + 2 * PAGE, PAGE, 2);
    t_vma v;
    CHECK(t_vma_at(s, &v));
    CHECK(strstr(v.path, " (deleted)"));
    FAILS(access("gone", F_OK), ENOENT);
    t_reap(pid);
    t_pass();
}
