// needs: any; names: any; row: "Descriptors: /proc files"
// Files of /proc of a process that has died since, and a pidfd of one already waited for.
#include "harness.h"
#include <poll.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid)
        for (;;) pause();
    int stat = OK(open(t_text("/proc/%d/stat", pid), O_RDONLY)), dir = OK(open(t_text("/proc/%d", pid), O_RDONLY | O_DIRECTORY)),
        pidfd = OK(syscall(SYS_pidfd_open, pid, 0));
    OK(kill(pid, SIGKILL));
    t_reap_at(__LINE__, pid, SIGKILL);
    t_go();
    char b[64];
    FAILS(read(stat, b, sizeof b), ESRCH);
    CHECK(openat(dir, "stat", O_RDONLY) < 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    EQ(poll(&p, 1, 0), 1);
    FAILS(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), ESRCH);
    t_pass();
}
