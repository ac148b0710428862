// needs: any; names: any; row: "Memory: mappings without read permission"
// Written pages of a private file mapping and of anonymous memory under PROT_NONE or PROT_WRITE only.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 4 * PAGE, 1);
    char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    char *a = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    char *s = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    t_fill(p + PAGE, PAGE, 2);
    t_fill(a, 4 * PAGE, 3);
    t_fill(s, 4 * PAGE, 4);
    OK(mprotect(p, 4 * PAGE, PROT_NONE));
    OK(mprotect(a, 4 * PAGE, PROT_NONE));
    OK(mprotect(s, 4 * PAGE, PROT_NONE));
    t_go();
    OK(mprotect(p, 4 * PAGE, PROT_READ));
    OK(mprotect(a, 4 * PAGE, PROT_READ));
    OK(mprotect(s, 4 * PAGE, PROT_READ));
    t_same(p, PAGE, 1);
    t_same(p + PAGE, PAGE, 2);
    t_same(a, 4 * PAGE, 3);
    t_same(s, 4 * PAGE, 4);
    t_pass();
}
