// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// The program's own file is a copy that has been deleted.
#include "harness.h"
int main(int argc, char **argv) {
    if (!strstr(argv[0], "a-copy")) {
        char copy[PATH_MAX];
        snprintf(copy, sizeof copy, "%s/a-copy", argv[2]);
        int in = OK(open("/proc/self/exe", O_RDONLY)), out = OK(open(copy, O_WRONLY | O_CREAT, 0755));
        char b[65536];
        for (ssize_t n; (n = OK(read(in, b, sizeof b))) > 0;) t_write(out, b, n);
        close(in), close(out);
        execl(copy, copy, argv[1], argv[2], NULL);
        return 1;
    }
    t_start(argc, argv);
    OK(unlink("a-copy"));
    t_go();
    char exe[PATH_MAX] = {0};
    OK(readlink("/proc/self/exe", exe, sizeof exe - 1));
    STREQ(exe, t_text("%s/a-copy (deleted)", t_dir));
    pid_t pid = t_fork();
    if (!pid) {
        char magic[4];
        t_read(OK(open("/proc/self/exe", O_RDONLY)), magic, 4);
        MEMEQ(magic, "\177ELF", 4);
        _exit(0);
    }
    t_reap(pid);
    t_pass();
}
