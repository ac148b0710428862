// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A program that wrote its title over arguments and environment (setproctitle), with large ones; a child has another title.
#include "harness.h"
extern char **environ;
static void cmdline(const char *expected) {
    char b[8192] = {0};
    int fd = OK(open("/proc/self/cmdline", O_RDONLY));
    CHECK(read(fd, b, sizeof b - 1) > 0);
    close(fd);
    STREQ(b, expected);
}
int main(int argc, char **argv) {
    if (!getenv("BIG")) {
        char *big = malloc(100001);
        memset(big, 'e', 100000), big[100000] = 0;
        setenv("BIG", big, 1);
        char *more[400], *rest = malloc(1001);
        memset(rest, 'a', 1000), rest[1000] = 0;
        int n = 0;
        for (; n < argc; n++) more[n] = argv[n];
        for (; n < 399; n++) more[n] = rest;
        more[n] = NULL;
        execv("/proc/self/exe", more);
        _exit(9);
    }
    EQ(argc, 399);
    char *own = argv[0];
    t_start(argc, argv);
    strcpy(own, "a title: of this program");
    pid_t pid = t_fork();
    if (!pid) {
        strcpy(own, "the child");
        t_mark("child");
        t_wait();
        cmdline("the child");
        _exit(0);
    }
    t_await("child");
    t_go();
    cmdline("a title: of this program");
    EQ(strlen(getenv("BIG")), 100000), EQ(strlen(argv[398]), 1000);
    int fd = OK(open("/proc/self/environ", O_RDONLY));
    char *b = malloc(200000);
    long n = 0, got;
    while ((got = OK(read(fd, b + n, 200000 - n))) > 0) n += got;
    CHECK(memmem(b, n, "BIG=eeee", 8));
    t_reap(pid);
    t_pass();
}
