// needs: any; names: any; row: "Process: oom_score_adj"
// oom_score_adj of a process and a child, and coredump_filter.
#include "harness.h"
static void put(const char *path, const char *value) {
    int fd = OK(open(path, O_WRONLY));
    t_write(fd, value, strlen(value));
    close(fd);
}
static void is(const char *path, const char *value) {
    char b[64] = {0};
    int fd = OK(open(path, O_RDONLY));
    OK(read(fd, b, 63));
    close(fd);
    STREQ(b, value);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    put("/proc/self/oom_score_adj", "321");
    put("/proc/self/coredump_filter", "0x55");
    pid_t pid = t_fork();
    if (!pid) {
        put("/proc/self/oom_score_adj", "654");
        t_mark("child");
        t_wait();
        is("/proc/self/oom_score_adj", "654\n");
        _exit(0);
    }
    t_await("child");
    t_go();
    is("/proc/self/oom_score_adj", "321\n");
    is("/proc/self/coredump_filter", "00000055\n");
    t_reap(pid);
    t_pass();
}
