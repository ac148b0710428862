// needs: any; names: any; row: "Memory: mlock"
// mlockall(MCL_FUTURE | MCL_ONFAULT): mappings made after the go signal are locked too.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mlockall(MCL_FUTURE | MCL_ONFAULT));
    char *a = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    a[0] = 1;
    t_go();
    t_vma v;
    CHECK(t_vma_at(a, &v));
    CHECK(strstr(v.flags, " lo"));
    char *b = t_map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    CHECK(t_vma_at(b, &v));
    CHECK(strstr(v.flags, " lo"));
    t_pass();
}
