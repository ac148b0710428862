// needs: any; names: any; row: "Memory: memfd (seals)"
// Memfds that can never be executed (MFD_NOEXEC_SEAL, where the kernel has it), read-only descriptions of one, empty and growing ones.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = memfd_create("plain", 8 /* MFD_NOEXEC_SEAL */);
    if (fd < 0) EQ(errno, EINVAL), fd = OK(memfd_create("plain", MFD_ALLOW_SEALING));
    t_write(fd, "contents", 8);
    int ro = OK(open(t_text("/proc/self/fd/%d", fd), O_RDONLY | O_CLOEXEC)), empty = OK(memfd_create("", MFD_ALLOW_SEALING)), big = OK(memfd_create("big", 0));
    OK(ftruncate(big, 1l << 35)), EQ(OK(pwrite(big, "end", 3, (1l << 35) - 3)), 3);
    struct stat was, now;
    OK(fstat(fd, &was));
    int seals = OK(fcntl(fd, F_GET_SEALS));
    t_go();
    OK(fstat(fd, &now)), EQ(now.st_mode, was.st_mode), EQ(OK(fcntl(fd, F_GET_SEALS)), seals);
    char b[16];
    EQ(OK(read(ro, b, 16)), 8), FAILS(write(ro, "x", 1), EBADF);
    EQ(lseek(fd, 0, SEEK_CUR), 8), t_write(fd, "more", 4), EQ(OK(pread(ro, b, 16, 8)), 4);
    OK(fstat(empty, &now)), EQ(now.st_size, 0), EQ(OK(fcntl(empty, F_GET_SEALS)), 0);
    OK(fstat(big, &now)), EQ(now.st_size, 1l << 35), CHECK(now.st_blocks < 1000);
    EQ(OK(pread(big, b, 3, (1l << 35) - 3)), 3), MEMEQ(b, "end", 3);
    EQ(OK(fcntl(big, F_GET_SEALS)), F_SEAL_SEAL);
    t_pass();
}
