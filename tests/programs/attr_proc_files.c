// needs: any; names: any; row: "Process: oom_score_adj"
// What is set through files of /proc: coredump_filter, oom_score_adj, timerslack of others, comm; inherited by a child with its own.
#include "harness.h"
static void put(const char *file, const char *value) {
    int fd = OK(open(file, O_WRONLY));
    t_write(fd, value, strlen(value));
    close(fd);
}
static const char *get(const char *file) {
    static char b[200];
    memset(b, 0, sizeof b);
    int fd = OK(open(file, O_RDONLY));
    OK(read(fd, b, 199));
    close(fd);
    b[strcspn(b, "\n")] = 0;
    return b;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    put("/proc/self/coredump_filter", "0x2a"), put("/proc/self/oom_score_adj", "321"), put("/proc/self/comm", "by file");
    pid_t pid = t_fork();
    if (!pid) {
        put("/proc/self/coredump_filter", "0x11"), put("/proc/self/oom_score_adj", "999");
        t_mark("child");
        t_wait();
        STREQ(get("/proc/self/coredump_filter"), "00000011"), STREQ(get("/proc/self/oom_score_adj"), "999"), STREQ(get("/proc/self/comm"), "by file");
        _exit(0);
    }
    t_await("child");
    t_go();
    STREQ(get("/proc/self/coredump_filter"), "0000002a"), STREQ(get("/proc/self/oom_score_adj"), "321"), STREQ(get("/proc/self/comm"), "by file");
    t_reap(pid);
    t_pass();
}
