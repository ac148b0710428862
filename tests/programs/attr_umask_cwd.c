// needs: any; names: any; row: "Process: umask, cwd, root"
// The umask and the working directory of a parent and a child, below a directory renamed meanwhile.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("a", 0755)), OK(mkdir("a/b", 0755)), OK(mkdir("other", 0755));
    pid_t pid = t_fork();
    if (!pid) {
        umask(0137);
        OK(chdir("a/b"));
        t_mark("child");
        t_await("renamed");
        t_wait();
        EQ(umask(0), 0137);
        char cwd[PATH_MAX];
        CHECK(getcwd(cwd, sizeof cwd));
        STREQ(cwd, t_text("%s/moved/b", t_dir));
        _exit(0);
    }
    umask(0027);
    OK(chdir("other"));
    t_await("child");
    OK(rename("../a", "../moved"));
    t_mark("renamed");
    t_go();
    close(OK(open("x", O_CREAT | O_WRONLY, 0666)));
    struct stat st;
    OK(stat("x", &st));
    EQ(st.st_mode & 0777, 0640);
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd));
    STREQ(cwd, t_text("%s/other", t_dir));
    t_reap(pid);
    t_pass();
}
