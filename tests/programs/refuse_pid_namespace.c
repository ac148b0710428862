// needs: root; names: any; expect: namespace; row: "Process: pid namespaces of its own (refuse)"; profile: none
// A child in a pid namespace of its own.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(unshare(CLONE_NEWPID));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        t_wait();
        _exit(syscall(SYS_getpid) != 1);
    }
    t_await("child");
    t_go();
    int status;
    OK(waitpid(pid, &status, 0));
    EQ(WIFEXITED(status), 1);
    t_pass();
}
