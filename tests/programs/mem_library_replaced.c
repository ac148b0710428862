// needs: any; names: any; row: "Memory: deleted file"; flags: -ldl
// A shared library is replaced by another file, and a second one deleted, while the program has them loaded: it goes on with the old ones.
#include "harness.h"
#include <dlfcn.h>
#include <link.h>
typedef double function(double);
static void *load_copy(const char *from, const char *name) {
    int in = OK(open(from, O_RDONLY)), out = OK(open(name, O_WRONLY | O_CREAT, 0755));
    char b[65536];
    for (ssize_t n; (n = OK(read(in, b, sizeof b))) > 0;) t_write(out, b, n);
    close(in), close(out);
    void *library = dlopen(t_text("%s/%s", t_dir, name), RTLD_NOW | RTLD_LOCAL);
    if (!library) FAIL("%s", dlerror());
    return library;
}
static double call(void *library, const char *name, double x) {
    function *f = (function *)dlsym(library, name);
    if (!f) FAIL("%s", dlerror());
    return f(x);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    void *whole = dlopen("libm.so.6", RTLD_NOW);
    CHECK(whole);
    struct link_map *map;
    EQ(dlinfo(whole, RTLD_DI_LINKMAP, &map), 0);
    void *replaced = load_copy(map->l_name, "libreplaced.so"), *deleted = load_copy(map->l_name, "libdeleted.so");
    CHECK(replaced != whole && deleted != whole && replaced != deleted);
    close(t_make_file("new", 100000, 7));
    OK(rename("new", "libreplaced.so"));
    OK(unlink("libdeleted.so"));
    t_go();
    // functions and tables that nobody touched before
    const char *names[] = {"tgamma", "erf", "j0", "cbrt", "lgamma", "atanh", "expm1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (double x = 0.05; x < 1; x += 0.05) {
            double expected = call(whole, names[i], x), one = call(replaced, names[i], x), two = call(deleted, names[i], x);
            CHECK(!memcmp(&one, &expected, sizeof one) && !memcmp(&two, &expected, sizeof two));
        }
    t_vma v;
    CHECK(t_vma_at(dlsym(replaced, "erf"), &v));
    CHECK(dlsym(replaced, "erf") != dlsym(whole, "erf"));
    struct stat st;
    OK(stat("libreplaced.so", &st));
    EQ(st.st_size, 100000);
    FAILS(access("libdeleted.so", F_OK), ENOENT);
    t_pass();
}
