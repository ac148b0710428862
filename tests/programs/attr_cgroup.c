// needs: root; names: any; row: "Process: cgroup membership"; profile: none
// A child that was moved to a control group of its own is in it again.
#include "harness.h"
static char *own(void) {
    static char text[65536];
    int fd = OK(open("/proc/self/cgroup", O_RDONLY));
    ssize_t n = OK(read(fd, text, sizeof text - 1));
    close(fd);
    text[n] = 0;
    return text;
}
static void enter(const char *group) {
    int fd = OK(open(t_text("%s/cgroup.procs", group), O_WRONLY));
    t_write(fd, "0", 1);
    close(fd);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    const char *top = access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
    const char *name = t_text("autopod-test-%ld", (long)(t_now(CLOCK_REALTIME) * 1e6));
    char group[PATH_MAX];
    snprintf(group, sizeof group, "%s/%s", top, name);
    OK(mkdir(group, 0755));
    pid_t pid = t_fork();
    if (!pid) {
        enter(group);
        t_mark("child");
        t_wait();
        _exit(!strstr(own(), name));
    }
    t_await("child");
    t_go();
    CHECK(!strstr(own(), name));
    int status = 0;
    OK(waitpid(pid, &status, 0));
    OK(rmdir(group));
    EQ(status, 0);
    t_pass();
}
