// needs: any; names: any; row: "Process: seccomp filters of its own"
// A filter that kills for most calls, in a child that only reads a pipe and leaves.
#include "harness.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
int main(int argc, char **argv) {
    t_start(argc, argv);
    int p[2], q[2];
    OK(pipe(p)), OK(pipe(q));
    pid_t pid = t_fork();
    if (!pid) {
        struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn),
                                  ALLOW(SYS_restart_syscall), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
        struct sock_fprog prog = {sizeof f / sizeof *f, f};
        OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
        char c = 'u';
        syscall(SYS_write, q[1], &c, 1);
        for (int i = 0; i < 2; i++)
            if (syscall(SYS_read, p[0], &c, 1) != 1 || syscall(SYS_write, q[1], &c, 1) != 1) syscall(SYS_exit_group, 1);
        syscall(SYS_getuid); // kills
        syscall(SYS_exit_group, 2);
    }
    char c;
    t_read(q[0], &c, 1);
    t_go();
    for (int i = 0; i < 2; i++) {
        t_write(p[1], "ab" + i, 1);
        t_read(q[0], &c, 1);
        EQ(c, "ab"[i]);
    }
    int status;
    EQ(OK(waitpid(pid, &status, 0)), pid);
    EQ(WTERMSIG(status), SIGSYS);
    t_pass();
}
