// needs: any; names: any; row: "Descriptors: shared between processes"
// One open file description shared by dup, by fork, and by descriptors at other numbers; another opening of the file is apart.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int a = t_make_file("f", 10000, 1), apart = OK(open("f", O_RDONLY));
    int b = OK(fcntl(a, F_DUPFD, 50));
    OK(lseek(a, 100, SEEK_SET));
    OK(lseek(apart, 9, SEEK_SET));
    pid_t pid = t_fork();
    if (!pid) {
        int c = OK(fcntl(b, F_DUPFD_CLOEXEC, 99));
        close(a), close(b);
        t_mark("child");
        t_wait();
        EQ(fcntl(c, F_GETFD), FD_CLOEXEC);
        t_await("parent");
        EQ(lseek(c, 0, SEEK_CUR), 200);
        OK(lseek(c, 333, SEEK_SET));
        OK(fcntl(c, F_SETFL, O_APPEND));
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(lseek(a, 0, SEEK_CUR), 100);
    OK(lseek(b, 100, SEEK_CUR));
    EQ(lseek(a, 0, SEEK_CUR), 200);
    EQ(lseek(apart, 0, SEEK_CUR), 9);
    t_mark("parent");
    t_reap(pid);
    EQ(lseek(a, 0, SEEK_CUR), 333);
    CHECK(fcntl(b, F_GETFL) & O_APPEND);
    CHECK(!(fcntl(apart, F_GETFL) & O_APPEND));
    t_pass();
}
