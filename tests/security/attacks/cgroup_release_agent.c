// tries: have the kernel run a program of the attacker's: release_agent of a cgroup hierarchy, found or mounted
// wall: seccomp, capabilities
// control: root
// unless: ENOENT,EINVAL,ENODEV,EBUSY,ENOTDIR this machine has no hierarchy of the first version
#include "attack.h"
static void at(const char *place, const char *controller)
{
    char path[256], value[256];
    format(path, sizeof path, "%s%s/release_agent", place, controller);
    long fd = sc(__NR_openat, AT(path), O_RDWR);
    if (fd >= 0) {
        long n = sc(__NR_read, fd, value, sizeof value - 1);
        value[n < 0 ? 0 : n] = '\n';
        fd = sc(__NR_pwrite64, fd, value, n <= 0 ? 1 : n, 0);
    }
    gain("release_agent", fd);
}
ATTACK
{
    static const char *const controllers[] = {"/pids", "/freezer", "/memory", "/systemd", "/cpu", "/devices"};
    char place[256];
    for (int i = 0; i < 6; i++) at("/sys/fs/cgroup", controllers[i]);
    sc(__NR_mkdir, own(place, "cgroup"), 0755);
    if (attempt("mounting it", sc(__NR_mount, "cgroup", place, "cgroup", 0, "pids"))) at(place, "");
}
