// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// The program's own file is replaced by another, as an upgrade does it: the program runs on from the old one, also what it has not executed yet.
#include "harness.h"
static const char *whole = "/proc/self/exe";
static char *contents(const char *path, size_t *len) {
    int fd = OK(open(path, O_RDONLY));
    struct stat st;
    OK(fstat(fd, &st));
    char *b = malloc(st.st_size);
    t_read(fd, b, st.st_size);
    close(fd);
    *len = st.st_size;
    return b;
}
__attribute__((noinline, aligned(4096))) static int late(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += i * i;
    return sum;
}
// executed and read after the go signal only, on pages of its own
static const char table[3 * PAGE] __attribute__((aligned(4096))) = {[0 ... 3 * PAGE - 1] = 'x'};
int main(int argc, char **argv) {
    if (!strstr(argv[0], "a-copy")) {
        size_t len;
        char *b = contents(whole, &len), copy[PATH_MAX], old[PATH_MAX];
        snprintf(copy, sizeof copy, "%s/a-copy", argv[2]), snprintf(old, sizeof old, "%s/original", argv[2]);
        const char *names[] = {copy, old};
        for (int i = 0; i < 2; i++) {
            int out = OK(open(names[i], O_WRONLY | O_CREAT, 0755));
            t_write(out, b, len);
            close(out);
        }
        execl(copy, copy, argv[1], argv[2], NULL);
        return 1;
    }
    t_start(argc, argv);
    int out = OK(open("new", O_WRONLY | O_CREAT, 0755));
    t_write(out, "#!/bin/false\n", 13);
    close(out);
    OK(rename("new", "a-copy"));
    pid_t child = t_fork();
    if (!child) {
        t_wait();
        EQ(late(100), 328350);
        _exit(0);
    }
    t_go();
    char exe[PATH_MAX] = {0};
    OK(readlink(whole, exe, sizeof exe - 1));
    size_t n = strlen(exe);
    CHECK(n > 10 && !strcmp(exe + n - 10, " (deleted)"));
    size_t len, expected;
    char *b = contents(whole, &len), *original = contents("original", &expected);
    EQ(len, expected);
    MEMEQ(b, original, len);
    EQ(late(100), 328350);
    for (size_t i = 0; i < sizeof table; i++) EQ(((volatile const char *)table)[i], 'x');
    b = contents("a-copy", &len);
    EQ(len, 13);
    t_reap(child);
    t_pass();
}
