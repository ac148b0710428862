// needs: any; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// An open file renamed over another open file; a file opened by a link that is gone, of which others are left.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int winner = t_make_file("winner", 100, 1), loser = t_make_file("loser", 200, 2);
    OK(rename("winner", "loser"));
    int multi = t_make_file("one", 300, 3);
    OK(link("one", "two")), OK(link("one", "three")), OK(unlink("one"));
    OK(mkdir("d1", 0755)), OK(mkdir("d2", 0755));
    int moved = t_make_file("d1/m", 400, 4), dir = OK(open("d1", O_RDONLY));
    OK(rename("d1/m", "d2/n")), OK(rename("d1", "d3"));
    t_go();
    struct stat s;
    OK(fstat(winner, &s)), EQ(s.st_size, 100), EQ(s.st_nlink, 1);
    OK(fstat(loser, &s)), EQ(s.st_size, 200), EQ(s.st_nlink, 0);
    OK(fstat(multi, &s)), EQ(s.st_nlink, 2);
    struct stat by_name;
    OK(stat("two", &by_name)), EQ(by_name.st_ino, s.st_ino);
    OK(fstat(moved, &s)), OK(stat("d2/n", &by_name)), EQ(by_name.st_ino, s.st_ino);
    OK(fstat(dir, &s)), OK(stat("d3", &by_name)), EQ(by_name.st_ino, s.st_ino);
    char b[200];
    EQ(OK(pread(loser, b, 200, 0)), 200);
    t_same(b, 200, 2);
    EQ(OK(pread(winner, b, 200, 0)), 100);
    t_same(b, 100, 1);
    t_pass();
}
