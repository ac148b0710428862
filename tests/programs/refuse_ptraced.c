// needs: any; names: any; expect: trace; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A process that traces its child.
#include "harness.h"
#include <sys/ptrace.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
        OK(raise(SIGSTOP));
        _exit(5);
    }
    int status;
    EQ(OK(waitpid(pid, &status, 0)), pid);
    CHECK(WIFSTOPPED(status));
    t_go();
    OK(ptrace(PTRACE_CONT, pid, 0, 0));
    t_reap_at(__LINE__, pid, 5 << 8);
    t_pass();
}
