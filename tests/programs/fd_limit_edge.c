// needs: any; names: any; row: "Process: rlimits"
// Descriptors at the edge of the limit and beyond one that was lowered since.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct rlimit l;
    OK(getrlimit(RLIMIT_NOFILE, &l));
    rlim_t top = l.rlim_max > 4000 ? 4000 : l.rlim_max;
    l.rlim_cur = top;
    OK(setrlimit(RLIMIT_NOFILE, &l));
    int fd = t_make_file("f", 10, 1);
    EQ(OK(dup2(fd, top - 1)), (int)top - 1);
    FAILS(dup2(fd, top), EBADF);
    OK(dup2(fd, 1000)), OK(fcntl(1000, F_SETFD, FD_CLOEXEC));
    l.rlim_cur = 40;
    OK(setrlimit(RLIMIT_NOFILE, &l));
    int last = 0;
    for (int n; (n = dup(fd)) >= 0; last = n) CHECK(n < 40);
    EQ(errno, EMFILE);
    close(last);
    t_go();
    OK(getrlimit(RLIMIT_NOFILE, &l));
    EQ(l.rlim_cur, 40);
    EQ(OK(dup(fd)), last);
    FAILS(dup(fd), EMFILE);
    EQ(OK(fcntl(top - 1, F_GETFD)), 0);
    EQ(OK(fcntl(1000, F_GETFD)), FD_CLOEXEC);
    OK(lseek(1000, 4, SEEK_SET));
    EQ(OK(lseek(top - 1, 0, SEEK_CUR)), 4);
    FAILS(fcntl(top - 2, F_GETFD), EBADF);
    close(last);
    t_pass();
}
