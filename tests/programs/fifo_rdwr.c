// needs: any; names: any; row: "Descriptors: fifos"
// One fifo, opened for both, for reading, for writing without blocking, and by O_PATH, with data; by a child too.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("f", 0640));
    int both = OK(open("f", O_RDWR)), reader = OK(open("f", O_RDONLY | O_NONBLOCK));
    int writer = OK(open("f", O_WRONLY | O_NONBLOCK)), path = OK(open("f", O_PATH));
    t_write(both, "one", 3), t_write(writer, "two", 3);
    pid_t pid = t_fork();
    if (!pid) {
        close(both), close(writer);
        int own = OK(open("f", O_WRONLY));
        t_mark("child");
        t_wait();
        t_write(own, "six", 3);
        _exit(0);
    }
    t_await("child");
    t_go();
    t_reap(pid);
    char b[9];
    t_read(reader, b, 9);
    MEMEQ(b, "onetwosix", 9);
    FAILS(read(reader, b, 1), EAGAIN);
    EQ(OK(fcntl(both, F_GETFL)) & O_ACCMODE, O_RDWR);
    EQ(OK(fcntl(writer, F_GETFL)) & O_NONBLOCK, O_NONBLOCK);
    CHECK(fcntl(path, F_GETFL) & O_PATH);
    close(both), close(writer);
    EQ(OK(read(reader, b, 1)), 0);
    close(reader);
    FAILS(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
    t_pass();
}
