// needs: any; names: any; row: "Process: umask, cwd, root"
// The working directory is deleted, and one of the same name exists again.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("gone", 0751)), OK(chdir("gone")), OK(rmdir("../gone")), OK(mkdir("../gone", 0755));
    t_go();
    char cwd[PATH_MAX];
    CHECK(!getcwd(cwd, sizeof cwd));
    EQ(errno, ENOENT);
    struct stat st, other;
    OK(stat(".", &st));
    OK(stat(t_text("%s/gone", t_dir), &other));
    CHECK(st.st_ino != other.st_ino);
    EQ(st.st_nlink, 0);
    EQ(st.st_mode & 0777, 0751 & ~0022);
    FAILS(open("file", O_CREAT | O_WRONLY, 0600), ENOENT);
    OK(rmdir(t_text("%s/gone", t_dir)));
    t_pass();
}
