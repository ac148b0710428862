// needs: any; names: any; row: "Descriptors: number, close-on-exec, status flags, offset, shared between processes"
// One file of a family: an appending description shared by fork and dup, others with positions of their own, all write.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int log = OK(open("log.txt", O_RDWR | O_CREAT | O_APPEND, 0600)), twin = OK(dup2(log, 77)), own = OK(open("log.txt", O_RDWR));
    t_write(log, "start.", 6);
    OK(lseek(log, 2, SEEK_SET));
    pid_t kids[3];
    for (int i = 0; i < 3; i++)
        if (!(kids[i] = t_fork())) {
            if (i == 1) close(log);
            if (i == 2) close(log), close(twin), log = OK(open("log.txt", O_WRONLY | O_APPEND));
            t_mark(t_text("k%d", i));
            t_await(t_text("turn%d", i));
            t_write(i == 1 ? twin : log, t_text("kid%d.", i), 5);
            _exit(0);
        }
    for (int i = 0; i < 3; i++) t_await(t_text("k%d", i));
    t_go();
    char b[64] = {0};
    EQ(lseek(log, 0, SEEK_CUR), 2), EQ(lseek(twin, 0, SEEK_CUR), 2), EQ(lseek(own, 0, SEEK_CUR), 0);
    t_mark("turn0"), t_reap(kids[0]);
    EQ(lseek(twin, 0, SEEK_CUR), 11);
    t_mark("turn1"), t_reap(kids[1]);
    EQ(lseek(log, 0, SEEK_CUR), 16);
    t_mark("turn2"), t_reap(kids[2]);
    EQ(lseek(log, 0, SEEK_CUR), 16);
    EQ(OK(read(own, b, 64)), 21);
    STREQ(b, "start.kid0.kid1.kid2.");
    OK(fcntl(twin, F_SETFL, 0));
    EQ(OK(fcntl(log, F_GETFL)) & O_APPEND, 0);
    t_pass();
}
