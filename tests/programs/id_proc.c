// needs: any; names: any; row: "Names: /proc"
// /proc under the names the program knows: /proc/self, stat, status, children, fdinfo of locks, the listing.
#include "harness.h"
#include <dirent.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t child = t_fork();
    if (!child)
        for (;;) pause();
    t_go();
    char link[64] = {0};
    OK(readlink("/proc/self", link, 63));
    EQ(atoi(link), getpid());
    memset(link, 0, sizeof link);
    OK(readlink("/proc/thread-self", link, 63));
    STREQ(link, t_text("%d/task/%d", getpid(), getpid()));
    for (int i = 0; i < 2; i++) {
        pid_t pid = i ? child : getpid();
        int p, pp, pg, sid;
        char b[1024] = {0};
        int fd = OK(open(t_text("/proc/%d/stat", pid), O_RDONLY));
        OK(read(fd, b, 1023)), close(fd);
        CHECK(sscanf(b, "%d", &p) == 1);
        CHECK(sscanf(strrchr(b, ')') + 1, " %*c %d %d %d", &pp, &pg, &sid) == 3);
        EQ(p, pid), EQ(pp, i ? getpid() : getppid()), EQ(pg, getpgid(pid)), EQ(sid, getsid(pid));
        char *path = strdup(t_text("/proc/%d/status", pid));
        EQ(atoi(t_field(path, "Pid")), pid), EQ(atoi(t_field(path, "Tgid")), pid), EQ(atoi(t_field(path, "PPid")), pp);
    }
    bool me = false, kid = false;
    DIR *d = opendir("/proc");
    for (struct dirent *e; (e = readdir(d));) me |= atoi(e->d_name) == getpid(), kid |= atoi(e->d_name) == child;
    closedir(d);
    CHECK(me && kid);
    char b[256] = {0};
    int fd = OK(open(t_text("/proc/self/task/%d/children", getpid()), O_RDONLY));
    OK(read(fd, b, 255));
    EQ(atoi(b), child);
    OK(kill(child, SIGKILL));
    t_reap_at(__LINE__, child, SIGKILL);
    FAILS(open(t_text("/proc/%d/stat", child), O_RDONLY), ENOENT);
    t_pass();
}
