// needs: any; names: any; row: "Process: parent, process group, session, controlling terminal, foreground group"
// A tree of 3 x 3 x 3 processes: every one knows its id, parent, group and session before and after.
#include "harness.h"
static void node(int depth, const char *as) {
    char name[16];
    strcpy(name, as);
    pid_t pid = getpid(), parent = getppid(), group = getpgrp(), session = getsid(0), kids[3];
    for (int i = 0; depth < 3 && i < 3; i++) {
        kids[i] = t_fork();
        if (!kids[i]) {
            if (i == 1) OK(setpgid(0, 0));
            if (i == 2) OK(setsid());
            node(depth + 1, t_text("%s%d", name, i));
        }
    }
    if (depth) t_mark(name);
    t_wait();
    EQ(getpid(), pid);
    EQ(syscall(SYS_getpid), pid);
    EQ(getppid(), parent);
    EQ(syscall(SYS_getppid), parent);
    EQ(getpgrp(), group);
    EQ(getpgid(0), group);
    EQ(getsid(0), session);
    if (!depth) return;
    for (int i = 0; depth < 3 && i < 3; i++) {
        EQ(getpgid(kids[i]), i == 0 ? group : kids[i]);
        EQ(getsid(kids[i]), i == 2 ? kids[i] : session);
        t_mark(t_text("x%s%d", name, i));
        t_reap(kids[i]);
    }
    t_await(t_text("x%s", name));
    _exit(0);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t first = t_fork();
    if (!first) node(1, "n");
    static const char *all[] = {"n", "n0", "n1", "n2", "n00", "n01", "n02", "n10", "n11", "n12", "n20", "n21", "n22"};
    for (int i = 0; i < 13; i++) t_await(all[i]);
    t_go();
    t_mark("xn");
    t_reap(first);
    t_pass();
}
