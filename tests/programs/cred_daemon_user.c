// needs: root; names: any; row: "Process: credentials: uids, gids, groups"
// A daemon that drops to nobody, with files held that nobody could not open.
#include "harness.h"
#include <grp.h>
#include <sys/prctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = t_make_file("secret", 5000, 1);
    OK(fchmod(fd, 0600));
    char *m = OK(mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    int dir = OK(mkdir("private", 0700));
    OK(chdir("private"));
    OK(setgroups(0, NULL));
    OK(setgid(65534));
    OK(setuid(65534));
    EQ(prctl(PR_GET_DUMPABLE), 0);
    t_go();
    EQ(dir, 0);
    EQ(getuid(), 65534);
    EQ(getgid(), 65534);
    EQ(getgroups(0, NULL), 0);
    EQ(prctl(PR_GET_DUMPABLE), 0);
    FAILS(open(t_text("%s/secret", t_dir), O_RDONLY), EACCES);
    t_same(m, 5000, 1);
    m[5] = 'q';
    char c;
    EQ(pread(fd, &c, 1, 5), 1);
    EQ(c, 'q');
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd));
    STREQ(cwd, t_text("%s/private", t_dir));
    t_pass();
}
