// needs: any; names: any; row: "Memory: deleted file"
// A deleted file mapped shared by three processes, each another part, after its descriptor was closed.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("ghost", 6 * PAGE, 1);
    OK(unlink("ghost"));
    char *all = OK(mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    pid_t kids[2];
    for (int i = 0; i < 2; i++)
        if (!(kids[i] = t_fork())) {
            OK(munmap(all, 6 * PAGE));
            char *part = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (i + 1) * 2 * PAGE - (i ? PAGE : 0)));
            close(fd);
            t_mark(t_text("k%d", i));
            t_wait();
            part[i] = 'a' + i;
            _exit(0);
        }
    t_await("k0"), t_await("k1");
    close(fd);
    t_go();
    t_reap(kids[0]), t_reap(kids[1]);
    EQ(all[2 * PAGE], 'a'), EQ(all[3 * PAGE + 1], 'b');
    all[2 * PAGE] = t_byte(2 * PAGE, 1), all[3 * PAGE + 1] = t_byte(3 * PAGE + 1, 1);
    t_same(all, 6 * PAGE, 1);
    t_vma v;
    CHECK(t_vma_at(all, &v)), CHECK(strstr(v.path, "ghost")), CHECK(strstr(v.path, "(deleted)"));
    t_pass();
}
