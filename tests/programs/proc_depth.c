// needs: any; names: any; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A chain of 40 processes, each the parent of the next; exit statuses travel back up.
#include "harness.h"
static int chain(int depth) {
    pid_t me = getpid(), parent = getppid();
    if (depth == 40) {
        t_mark("bottom");
        t_wait();
        EQ(getppid(), parent);
        return depth;
    }
    pid_t pid = t_fork();
    if (!pid) _exit(chain(depth + 1));
    int status;
    EQ(OK(waitpid(pid, &status, 0)), pid);
    EQ(WEXITSTATUS(status), depth < 39 ? depth + 1 : 40);
    EQ(getpid(), me);
    EQ(getppid(), parent);
    return depth;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) _exit(chain(1));
    t_await("bottom");
    t_go();
    t_reap_at(__LINE__, pid, 1 << 8);
    t_pass();
}
