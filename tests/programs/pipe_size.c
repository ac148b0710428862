// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// Pipes of other sizes, with data beyond one page, ends with flags of their own, ends held by a child only.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int small[2], large[2], split[2];
    OK(pipe(small)), OK(pipe2(large, O_NONBLOCK)), OK(pipe(split));
    EQ(OK(fcntl(small[1], F_SETPIPE_SZ, 4096)), 4096);
    EQ(OK(fcntl(large[0], F_SETPIPE_SZ, 1 << 18)), 1 << 18);
    OK(fcntl(large[0], F_SETFL, 0));
    char *data = malloc(200000), *back = malloc(200000);
    t_fill(data, 200000, 5);
    t_write(large[1], data, 200000);
    t_write(small[1], data, 4096);
    pid_t pid = t_fork();
    if (!pid) {
        close(split[0]), close(large[1]), close(small[1]);
        t_mark("child");
        t_wait();
        t_write(split[1], "from the child", 14);
        _exit(0);
    }
    close(split[1]);
    t_await("child");
    t_go();
    EQ(OK(fcntl(small[0], F_GETPIPE_SZ)), 4096);
    EQ(OK(fcntl(large[1], F_GETPIPE_SZ)), 1 << 18);
    EQ(OK(fcntl(large[0], F_GETFL)), O_RDONLY);
    EQ(OK(fcntl(large[1], F_GETFL)), O_WRONLY | O_NONBLOCK);
    t_read(large[0], back, 200000);
    MEMEQ(back, data, 200000);
    t_read(small[0], back, 4096);
    MEMEQ(back, data, 4096);
    t_reap(pid);
    t_read(split[0], back, 14);
    MEMEQ(back, "from the child", 14);
    EQ(OK(read(split[0], back, 1)), 0);
    t_pass();
}
