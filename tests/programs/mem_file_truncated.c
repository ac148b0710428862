// needs: any; names: any; row: "Memory: shared file"
// Shared and private mappings of a file that was cut short since: beyond its end there is SIGBUS, and data again when it grows.
#include "harness.h"
#include <setjmp.h>
static sigjmp_buf back;
static void on(int sig) { siglongjmp(back, 1); }
static bool faults(volatile char *at) {
    if (sigsetjmp(back, 1)) return true;
    (void)*at;
    return false;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGBUS, on);
    int fd = t_make_file("f", 8 * PAGE, 3);
    char *shared = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *private = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    private[PAGE] = 'p', shared[0] = 's';
    OK(ftruncate(fd, 3 * PAGE));
    t_go();
    EQ(shared[0], 's'), EQ(private[PAGE], 'p'), EQ(private[0], 's');
    CHECK(faults(shared + 3 * PAGE)), CHECK(faults(shared + 7 * PAGE)), CHECK(faults(private + 5 * PAGE));
    OK(ftruncate(fd, 6 * PAGE));
    EQ(shared[5 * PAGE], 0), EQ(private[5 * PAGE], 0);
    CHECK(faults(shared + 6 * PAGE));
    shared[4 * PAGE] = 'n';
    char b;
    EQ(OK(pread(fd, &b, 1, 4 * PAGE)), 1);
    EQ(b, 'n');
    t_pass();
}
