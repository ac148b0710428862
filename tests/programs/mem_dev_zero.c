// needs: any; names: any; row: "Memory: shared anonymous"
// /dev/zero mapped shared with a child, privately, and open as a descriptor.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(open("/dev/zero", O_RDWR));
    char *shared = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *private = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    char *second = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    t_fill(shared, 4 * PAGE, 1), t_fill(private, 2 * PAGE, 2), strcpy(second, "second");
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        t_same(shared, 4 * PAGE, 1);
        shared[9] = 'c', private[9] = 'c';
        STREQ(second, "second");
        _exit(0);
    }
    t_await("child");
    t_go();
    t_same(private, 2 * PAGE, 2);
    t_reap(pid);
    EQ(shared[9], 'c');
    t_same(private, 2 * PAGE, 2);
    EQ(private[3 * PAGE], 0);
    t_pass();
}
