// needs: any; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// What a deleted file is beside its contents: permissions with set-id bits, times to the nanosecond, a size that is no multiple of anything.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("gone", 12345, 1), none = OK(open("none", O_RDWR | O_CREAT, 0600));
    OK(fchmod(fd, 02751));
    struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    OK(futimens(fd, times));
    OK(unlink("gone")), OK(unlink("none"));
    struct stat was, now;
    OK(fstat(fd, &was));
    t_go();
    OK(fstat(fd, &now));
    EQ(now.st_mode, was.st_mode), EQ(now.st_size, 12345), EQ(now.st_uid, was.st_uid), EQ(now.st_gid, was.st_gid), EQ(now.st_nlink, 0);
    EQ(now.st_atim.tv_sec, 1000000000), EQ(now.st_atim.tv_nsec, 123456789), EQ(now.st_mtim.tv_sec, 1100000000), EQ(now.st_mtim.tv_nsec, 987654321);
    OK(fstat(none, &now)), EQ(now.st_size, 0), EQ(now.st_blocks, 0);
    t_pass();
}
