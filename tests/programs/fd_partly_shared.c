// needs: any; names: any; row: "Descriptors: shared between processes"
// Three processes that share descriptions pairwise under different numbers.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a = t_make_file("a", 1000, 1), b = t_make_file("b", 1000, 2), c = t_make_file("c", 1000, 3);
    for (int i = 0; i < 2; i++) {
        pid_t pid = t_fork();
        if (pid) continue;
        if (i == 0) close(a), OK(dup2(b, 40)), OK(dup2(c, 41)), close(b), close(c); // b c
        else close(b), OK(dup2(c, 50)), OK(dup2(a, 51)), close(c), close(a);        // c a
        t_mark(t_text("k%d", i));
        t_wait();
        if (i == 0) {
            OK(lseek(40, 111, SEEK_SET));
            t_mark("b set");
            t_await("c set");
            EQ(lseek(41, 0, SEEK_CUR), 222);
        } else {
            OK(lseek(50, 222, SEEK_SET));
            t_mark("c set");
            t_await("a set");
            EQ(lseek(51, 0, SEEK_CUR), 333);
        }
        _exit(0);
    }
    close(c);
    t_await("k0"), t_await("k1");
    t_go();
    OK(lseek(a, 333, SEEK_SET));
    t_mark("a set"), t_await("b set");
    EQ(lseek(b, 0, SEEK_CUR), 111);
    for (int i = 0; i < 2; i++) {
        int status;
        OK(wait(&status));
        EQ(status, 0);
    }
    t_pass();
}
