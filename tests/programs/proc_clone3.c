// needs: any; names: kernel; row: "Process: parent, process group, session"; profile: none
// Children made by clone3: with a pidfd, with CLONE_PARENT (a sibling), with ids written to memory, with handlers cleared.
#include "harness.h"
#include <linux/sched.h>
#include <poll.h>
static pid_t clone3(struct clone_args *a) { return (pid_t)syscall(SYS_clone3, a, sizeof *a); }
static void on(int sig) {}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGUSR2, on);
    setenv("MAIN", t_text("%d", getpid()), 1);
    int pidfd = -1, tid = 0, ctid = 0;
    struct clone_args a = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND, .pidfd = (uintptr_t)&pidfd,
                           .parent_tid = (uintptr_t)&tid, .child_tid = (uintptr_t)&ctid, .exit_signal = SIGCHLD};
    pid_t one = OK(clone3(&a));
    if (!one) {
        EQ(ctid, getpid());
        t_mark("one");
        t_wait();
        struct sigaction sa;
        OK(sigaction(SIGUSR2, NULL, &sa));
        CHECK(sa.sa_handler == SIG_DFL);
        _exit(1);
    }
    pid_t middle = t_fork();
    if (!middle) {
        struct clone_args b = {.flags = CLONE_PARENT};
        pid_t sibling = OK(clone3(&b));
        if (!sibling) {
            t_mark("sibling");
            t_wait();
            EQ(getppid(), atoi(getenv("MAIN")));
            _exit(2);
        }
        dprintf(OK(open("sibling.pid", O_CREAT | O_WRONLY, 0600)), "%d", sibling);
        t_mark("middle");
        t_wait();
        FAILS(waitpid(sibling, NULL, __WALL), ECHILD);
        _exit(3);
    }
    t_await("one"), t_await("middle"), t_await("sibling");
    EQ(tid, one);
    char text[20] = {0};
    OK(read(OK(open("sibling.pid", O_RDONLY)), text, 19));
    t_ready();
    t_wait();
    struct pollfd p = {pidfd, POLLIN, 0};
    EQ(OK(poll(&p, 1, 10000)), 1);
    siginfo_t si;
    OK(waitid(P_PIDFD, pidfd, &si, WEXITED));
    EQ(si.si_pid, one), EQ(si.si_status, 1);
    int status;
    EQ(OK(waitpid(atoi(text), &status, __WALL)), atoi(text));
    EQ(WEXITSTATUS(status), 2);
    t_reap_at(__LINE__, middle, 3 << 8);
    t_pass();
}
