// needs: any; names: any; row: "Memory: memfd (seals)"
// A memfd mapped shared, privately with written pages, and read-only, its descriptor closed; a child writes to it.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(memfd_create("m", MFD_ALLOW_SEALING));
    OK(ftruncate(fd, 8 * PAGE));
    char *shared = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *private = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 2 * PAGE));
    char *ro = OK(mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
    close(fd);
    t_fill(shared, 8 * PAGE, 1);
    private[PAGE + 5] = 'x';
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        shared[7 * PAGE] = 'c', private[0] = 'q';
        _exit(0);
    }
    t_await("child");
    t_go();
    t_same(shared, 7 * PAGE, 1);
    EQ(private[PAGE + 5], 'x'), EQ(private[0], shared[2 * PAGE]);
    t_reap(pid);
    EQ(ro[7 * PAGE], 'c'), EQ(private[0], shared[2 * PAGE]);
    shared[3 * PAGE + 5] = 'o', shared[4 * PAGE] = 'w';
    EQ(private[PAGE + 5], 'x'), EQ(private[2 * PAGE], 'w'), EQ(ro[3 * PAGE + 5], 'o');
    t_vma v;
    CHECK(t_vma_at(ro, &v)), CHECK(strstr(v.path, "memfd:m"));
    t_pass();
}
