// tries: enter the namespaces of a process outside by /proc/PID/ns, and change its host name
// wall: seccomp, the pid namespace, Landlock
// control: root
#include "attack.h"
ATTACK
{
    static const char *const kinds[] = {"user", "uts", "ipc", "net", "mnt", "pid", "cgroup", "time"};
    const char *const who[] = {"victim", "neighbour", "supervisor"};
    char path[128];
    for (int w = 0; w < 3; w++) {
        for (int i = 0; i < 8; i++) {
            format(path, sizeof path, "/proc/%s/ns/%s", text(who[w]), kinds[i]);
            long fd = sc(__NR_openat, AT(path), O_RDONLY);
            if (fd < 0) { attempt(path, fd); continue; }
            attempt("setns", sc(__NR_setns, fd, 0));
        }
        if (sc(__NR_sethostname, "stolen", 6) >= 0) attempt("sethostname", 0);
    }
}
