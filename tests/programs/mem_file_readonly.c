// needs: any; names: any; row: "Memory: shared file"
// A shared mapping of a file opened read-only cannot be made writable, one opened read-write can.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    close(t_make_file("f", 2 * PAGE, 1));
    int ro = OK(open("f", O_RDONLY)), rw = OK(open("f", O_RDWR));
    char *a = OK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, ro, 0)), *b = OK(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, rw, 0));
    t_go();
    t_same(a, 2 * PAGE, 1);
    FAILS(mprotect(a, PAGE, PROT_READ | PROT_WRITE), EACCES);
    OK(mprotect(b, PAGE, PROT_READ | PROT_WRITE));
    b[7] = 'z';
    EQ(a[7], 'z');
    t_pass();
}
