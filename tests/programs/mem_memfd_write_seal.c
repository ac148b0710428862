// needs: any; names: any; row: "Memory: memfd (seals)"
// A memfd sealed against writes and against further seals, with a read-only shared mapping and a written private one.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(memfd_create("sealed", MFD_ALLOW_SEALING));
    char b[3 * PAGE];
    t_fill(b, sizeof b, 1);
    t_write(fd, b, sizeof b);
    OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL | F_SEAL_SHRINK));
    char *s = OK(mmap(NULL, sizeof b, PROT_READ, MAP_SHARED, fd, 0));
    char *p = OK(mmap(NULL, sizeof b, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    t_fill(p, PAGE, 2);
    int plain = OK(memfd_create("plain", 0));
    t_go();
    t_same(s, sizeof b, 1);
    t_same(p, PAGE, 2);
    MEMEQ(p + PAGE, b + PAGE, 2 * PAGE);
    EQ(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SEAL | F_SEAL_SHRINK);
    FAILS(write(fd, "x", 1), EPERM);
    FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
    OK(ftruncate(fd, 4 * PAGE));
    EQ(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
    t_pass();
}
