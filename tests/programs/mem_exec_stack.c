// needs: any; names: any; flags: -z execstack -Wno-trampolines; row: "Memory: stack with guard and growth, brk heap, PROT_NONE reservations, vdso/vvar"
// A program with an executable stack runs a nested function's trampoline there, which was made before.
#include "harness.h"
static int call(int (*f)(int), int x) { return f(x); }
int main(int argc, char **argv) {
    t_start(argc, argv);
    int base = 40;
    int add(int x) { return base += x; }
    int (*volatile f)(int) = add;
    EQ(call(f, 1), 41);
    t_vma v;
    CHECK(t_vma_at(&base, &v));
    STREQ(v.perms, "rwxp");
    t_go();
    EQ(call(f, 1), 42), EQ(base, 42);
    CHECK(t_vma_at(&base, &v));
    STREQ(v.perms, "rwxp");
    t_pass();
}
