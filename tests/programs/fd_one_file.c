// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset, shared between processes"
// One file opened twelve times by two processes, each with a position of its own, some passed on and closed.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    close(t_make_file("f", 4096, 6));
    int fd[12];
    for (int i = 0; i < 12; i++) fd[i] = OK(open("f", i % 3 ? O_RDWR : O_RDONLY)), OK(lseek(fd[i], i * 10, SEEK_SET));
    pid_t pid = t_fork();
    if (!pid) {
        for (int i = 0; i < 6; i++) close(fd[i]);
        for (int i = 6; i < 12; i += 2) close(fd[i]), fd[i] = OK(open("f", O_RDONLY)), OK(lseek(fd[i], 1000 + i, SEEK_SET));
        t_mark("child");
        t_await("moved");
        for (int i = 6; i < 12; i++) EQ(lseek(fd[i], 0, SEEK_CUR), i % 2 ? 2000 + i : 1000 + i);
        _exit(0);
    }
    t_await("child");
    t_go();
    for (int i = 0; i < 12; i++) EQ(lseek(fd[i], 0, SEEK_CUR), i * 10), OK(lseek(fd[i], 2000 + i, SEEK_SET));
    t_mark("moved");
    t_reap(pid);
    t_pass();
}
