// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A program run by exec, with arguments and environment: cmdline, environ, exe, auxv and changed argv memory.
#include "harness.h"
#include <sys/auxv.h>
static char *slurp(const char *path, ssize_t *n) {
    char *b = malloc(1 << 16);
    int fd = OK(open(path, O_RDONLY));
    *n = OK(read(fd, b, 1 << 16));
    close(fd);
    return b;
}
int main(int argc, char **argv) {
    if (!getenv("SECOND")) {
        setenv("SECOND", "yes", 1), setenv("LONGER", "value with = and spaces", 1);
        execl("/proc/self/exe", "a name of its own", argv[1], argv[2], "third", "", "fifth argument", NULL);
        return 1;
    }
    t_start(3, argv);
    EQ(argc, 6);
    strcpy(argv[5], "FIFTH");
    static const char *files[] = {"cmdline", "environ", "auxv", "comm"};
    char *before[4];
    ssize_t len[4], now;
    for (int i = 0; i < 4; i++) before[i] = slurp(t_text("/proc/self/%s", files[i]), &len[i]);
    char exe[PATH_MAX], exe2[PATH_MAX];
    exe[OK(readlink("/proc/self/exe", exe, sizeof exe - 1))] = 0;
    void *random = (void *)getauxval(AT_RANDOM);
    char r[16];
    memcpy(r, random, 16);
    t_go();
    for (int i = 0; i < 4; i++) {
        char *b = slurp(t_text("/proc/self/%s", files[i]), &now);
        if (now != len[i] || memcmp(b, before[i], now)) FAIL("/proc/self/%s changed", files[i]);
    }
    exe2[OK(readlink("/proc/self/exe", exe2, sizeof exe2 - 1))] = 0;
    STREQ(exe2, exe);
    MEMEQ(random, r, 16);
    STREQ(argv[5], "FIFTH");
    STREQ(getenv("LONGER"), "value with = and spaces");
    STREQ(program_invocation_name, "a name of its own");
    t_pass();
}
