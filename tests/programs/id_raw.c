// needs: any; names: kernel; row: "Names: pid, tid, pgid, sid in every call"
// The same with system calls made by the program's own instructions.
#include "harness.h"
static long raw(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t child = raw(SYS_fork, 0, 0, 0);
    if (!child)
        for (;;) raw(SYS_pause, 0, 0, 0);
    long pid = raw(SYS_getpid, 0, 0, 0), ppid = raw(SYS_getppid, 0, 0, 0), sid = raw(SYS_getsid, 0, 0, 0), pg = raw(SYS_getpgid, child, 0, 0);
    EQ(pid, getpid());
    t_go();
    EQ(raw(SYS_getpid, 0, 0, 0), pid), EQ(raw(SYS_gettid, 0, 0, 0), pid), EQ(raw(SYS_getppid, 0, 0, 0), ppid), EQ(raw(SYS_getsid, 0, 0, 0), sid);
    EQ(raw(SYS_getpgid, child, 0, 0), pg);
    EQ(raw(SYS_kill, child, SIGKILL, 0), 0);
    int status = 0;
    EQ(raw(SYS_wait4, child, (long)&status, 0), child);
    EQ(status, SIGKILL);
    t_pass();
}
