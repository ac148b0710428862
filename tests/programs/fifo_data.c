// needs: any; names: any; row: "Descriptors: fifos"
// Named pipes: data, modes of opening, one whose name is deleted, one shared with a child, reopened by name after.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("a", 0600)), OK(mkfifo("b", 0600));
    int a = OK(open("a", O_RDWR)), ro = OK(open("a", O_RDONLY | O_NONBLOCK)), wo = OK(open("a", O_WRONLY));
    int gone = OK(open("b", O_RDWR));
    OK(unlink("b"));
    t_write(wo, "first", 5), t_write(gone, "second", 6);
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        int mine = OK(open("a", O_WRONLY));
        t_write(mine, "child", 5);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    char b[16] = {0};
    EQ(OK(read(ro, b, 16)), 10);
    STREQ(b, "firstchild");
    CHECK(fcntl(ro, F_GETFL) & O_NONBLOCK);
    EQ(fcntl(a, F_GETFL) & O_ACCMODE, O_RDWR);
    EQ(fcntl(wo, F_GETFL) & O_ACCMODE, O_WRONLY);
    memset(b, 0, sizeof b);
    EQ(OK(read(gone, b, 16)), 6);
    STREQ(b, "second");
    FAILS(read(ro, b, 1), EAGAIN);
    close(a), close(wo);
    EQ(OK(read(ro, b, 1)), 0);
    t_pass();
}
