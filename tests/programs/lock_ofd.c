// needs: any; names: any; row: "Descriptors: locks: POSIX, OFD, flock, leases"
// Open file description locks: conflict between descriptions, shared by dup and fork, released by the last close.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("f", 1000, 1), other = OK(open("f", O_RDWR)), twin = OK(dup(fd));
    struct flock l = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10}, r = {.l_type = F_RDLCK, .l_start = 500, .l_len = 3};
    OK(fcntl(fd, F_OFD_SETLK, &l)), OK(fcntl(other, F_OFD_SETLK, &r));
    t_go();
    struct flock g = {.l_type = F_RDLCK, .l_start = 0, .l_len = 100};
    OK(fcntl(other, F_OFD_GETLK, &g));
    EQ(g.l_type, F_WRLCK);
    EQ(g.l_start, 5);
    EQ(g.l_len, 10);
    EQ(g.l_pid, -1);
    FAILS(fcntl(other, F_OFD_SETLK, &l), EAGAIN);
    OK(fcntl(twin, F_OFD_SETLK, &l));
    struct flock w = {.l_type = F_WRLCK, .l_start = 501, .l_len = 1};
    FAILS(fcntl(fd, F_OFD_SETLK, &w), EAGAIN);
    close(fd);
    FAILS(fcntl(other, F_OFD_SETLK, &l), EAGAIN);
    close(twin);
    OK(fcntl(other, F_OFD_SETLK, &l));
    t_pass();
}
