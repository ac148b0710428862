// needs: any; names: any; row: "Descriptors: /proc files"
// Files of /proc held open: of the process itself, of a child, of the system, and the directory of the process.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t child = t_fork();
    if (!child) {
        t_wait();
        t_await("checked");
        _exit(0);
    }
    int self = OK(open("/proc/self/status", O_RDONLY)), kid = OK(open(t_text("/proc/%d/stat", child), O_RDONLY));
    int up = OK(open("/proc/uptime", O_RDONLY)), dir = OK(open("/proc/self", O_RDONLY | O_DIRECTORY));
    int mem = OK(open("/proc/self/mem", O_RDWR)), stat_self = OK(open(t_text("/proc/%d/stat", getpid()), O_RDONLY));
    static long word = 5;
    t_go();
    char b[4096] = {0};
    EQ(pread(mem, b, 8, (off_t)&word), 8);
    EQ(*(long *)b, 5);
    memset(b, 0, sizeof b);
    OK(read(stat_self, b, 4095));
    EQ(atoi(b), getpid());
    memset(b, 0, sizeof b);
    OK(read(kid, b, 4095));
    EQ(atoi(b), child);
    memset(b, 0, sizeof b);
    OK(read(self, b, 4095));
    char *p = strstr(b, "\nPid:");
    CHECK(p);
    EQ(atoi(p + 5), getpid());
    CHECK(OK(read(up, b, 4095)) > 3);
    int st = OK(openat(dir, "stat", O_RDONLY));
    memset(b, 0, sizeof b);
    OK(read(st, b, 4095));
    EQ(atoi(b), getpid());
    t_mark("checked");
    t_reap(child);
    t_pass();
}
