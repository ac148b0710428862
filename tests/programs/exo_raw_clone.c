// needs: any; names: kernel; row: "Process: parent, process group, session, controlling terminal, foreground group"; profile: none
// Children made by raw clone and clone3, with CLONE_PARENT, without an exit signal, with pidfd and tid pointers.
#include "harness.h"
#include <linux/sched.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t ptid = 0, me = getpid();
    int pidfd = -1;
    struct clone_args a = {.flags = CLONE_PARENT_SETTID | CLONE_PIDFD, .parent_tid = (uint64_t)&ptid, .pidfd = (uint64_t)&pidfd, .exit_signal = SIGCHLD};
    pid_t one = OK(syscall(SYS_clone3, &a, sizeof a));
    if (!one) {
        pid_t sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (!sibling) {
            t_mark("sibling");
            t_wait();
            EQ(syscall(SYS_getppid), me);
            _exit(5);
        }
        t_await("sibling");
        int fd = open("sibling.pid", O_CREAT | O_WRONLY, 0600);
        t_write(fd, &sibling, sizeof sibling);
        t_mark("one");
        t_wait();
        _exit(4);
    }
    pid_t silent = OK(syscall(SYS_clone, 0, 0, 0, 0, 0)); // no signal at its end
    if (!silent) {
        t_wait();
        _exit(3);
    }
    t_await("one");
    t_go();
    EQ(ptid, one);
    pid_t sibling;
    t_read(OK(open("sibling.pid", O_RDONLY)), &sibling, sizeof sibling);
    t_reap_at(__LINE__, sibling, 5 << 8);
    siginfo_t si;
    OK(waitid(3 /* P_PIDFD */, pidfd, &si, WEXITED));
    EQ(si.si_pid, one), EQ(si.si_status, 4);
    int status;
    EQ(waitpid(silent, &status, 0), -1);
    EQ(OK(waitpid(silent, &status, __WCLONE)), silent);
    EQ(status, 3 << 8);
    t_pass();
}
