// needs: any; names: any; slow; row: "Descriptors: number, close-on-exec, status flags, offset"
// 10,000 descriptors, or as many as the limit allows: files at offsets, pipes and sockets with data, event counters.
#include "harness.h"
#include <sys/eventfd.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct rlimit limit;
    OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    OK(setrlimit(RLIMIT_NOFILE, &limit));
    int count = limit.rlim_max < 10100 ? (int)limit.rlim_max - 100 : 10000;
    int (*fd)[2] = calloc(count, sizeof *fd);
    int file = OK(open("file", O_RDWR | O_CREAT, 0600));
    OK(ftruncate(file, count));
    int pairs = count / 2;
    for (int i = 0; i < pairs; i++) {
        int kind = i % 4;
        if (kind == 0) OK(pipe(fd[i]));
        if (kind == 1) OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd[i]));
        if (kind == 2) fd[i][0] = OK(open("file", O_RDONLY)), fd[i][1] = OK(dup(fd[i][0])), OK(lseek(fd[i][0], i, SEEK_SET));
        if (kind == 3) fd[i][0] = OK(eventfd(i, 0)), fd[i][1] = OK(open("/dev/null", O_WRONLY | O_CLOEXEC));
        if (kind < 2) t_write(fd[i][1], (char *)&i, sizeof i);
    }
    t_go();
    for (int i = 0; i < pairs; i++) {
        int kind = i % 4, number;
        if (kind < 2) {
            EQ(OK(read(fd[i][0], &number, sizeof number)), sizeof number);
            EQ(number, i);
        }
        if (kind == 2) EQ(OK(lseek(fd[i][1], 0, SEEK_CUR)), i);
        if (kind == 3) {
            eventfd_t value;
            OK(eventfd_read(fd[i][0], &value));
            EQ(value, i);
            EQ(OK(fcntl(fd[i][1], F_GETFD)), FD_CLOEXEC);
        }
    }
    t_pass();
}
