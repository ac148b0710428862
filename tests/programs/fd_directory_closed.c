// needs: root; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// A directory closed to everybody (mode 0) that is open, with an open file in it.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755));
    int dir = OK(open("d", O_RDONLY)), in = OK(openat(dir, "inner", O_CREAT | O_RDWR, 0600));
    t_write(in, "inner", 5);
    OK(fchmod(in, 0)), OK(chmod("d", 0));
    t_go();
    struct stat s;
    OK(fstat(dir, &s)), EQ(s.st_mode & 07777, 0);
    char b[10];
    EQ(OK(pread(in, b, 10, 0)), 5);
    OK(fchmod(dir, 0755));
    t_pass();
}
