// needs: any; names: any; row: "Memory: private file (written pages only)"
// A library loaded by dlopen: its functions, data and thread-local state; another one loaded and unloaded afterwards.
#include "harness.h"
#include <dlfcn.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    void *m = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
    CHECK(m);
    double (*cosine)(double) = (double (*)(double))dlsym(m, "cos");
    CHECK(cosine && cosine(0) == 1);
    t_go();
    CHECK(cosine(0) == 1);
    double (*sine)(double) = (double (*)(double))dlsym(m, "sin");
    CHECK(sine && sine(0) == 0);
    void *r = dlopen("libresolv.so.2", RTLD_NOW);
    CHECK(r);
    EQ(dlclose(r), 0);
    EQ(dlclose(m), 0);
    t_pass();
}
