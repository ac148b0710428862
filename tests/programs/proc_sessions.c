// needs: any; names: any; row: "Process: parent, process group, session, controlling terminal, foreground group"
// Sessions in sessions, groups without their leaders, orphaned and stopped groups, a member of a group of its grandparent.
#include "harness.h"
enum { N = 8 };
struct who { pid_t pid, ppid, pgid, sid; };
static struct who *all;
static void node(int i) {
    all[i] = (struct who){getpid(), getppid(), getpgrp(), getsid(0)};
    t_mark(t_text("n%d", i));
}
static void same(int i) {
    EQ(getpid(), all[i].pid), EQ(getpgrp(), all[i].pgid), EQ(getsid(0), all[i].sid);
    if (all[i].ppid) EQ(getppid(), all[i].ppid);
    t_mark(t_text("ok%d", i));
    _exit(0);
}
static void settle(int i) {
    node(i);
    t_wait();
    same(i);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    all = t_map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    pid_t top = getpid();
    pid_t a = t_fork();
    if (!a) { // a session with a group whose leader is gone, and a session within
        setsid();
        pid_t leader = t_fork();
        if (!leader) {
            setpgid(0, 0);
            pid_t member = t_fork();
            if (!member) {
                t_await("leader-gone");
                all[1].ppid = 0;
                all[1] = (struct who){getpid(), 0, getpgrp(), getsid(0)};
                t_mark("n1");
                t_wait();
                same(1);
            }
            _exit(0);
        }
        t_reap(leader);
        t_mark("leader-gone");
        pid_t inner = t_fork();
        if (!inner) {
            setsid();
            pid_t deeper = t_fork();
            if (!deeper) setpgid(0, 0), settle(4);
            t_await("n4");
            node(3);
            t_wait();
            t_reap(deeper);
            same(3);
        }
        t_await("n3");
        node(2);
        t_wait();
        t_reap(inner);
        same(2);
    }
    pid_t b = t_fork();
    if (!b) { // a group made by the parent; a grandchild comes back to the group of the top
        setpgid(0, 0);
        pid_t back = t_fork();
        if (!back) setpgid(0, getpgid(top)), settle(6);
        pid_t stopped = t_fork();
        if (!stopped) {
            node(7);
            raise(SIGSTOP);
            t_wait();
            same(7);
        }
        siginfo_t si;
        OK(waitid(P_PID, stopped, &si, WSTOPPED));
        t_await("n6");
        node(5);
        t_wait();
        OK(waitid(P_PID, stopped, &si, WSTOPPED | WNOHANG)), EQ(si.si_pid, 0);
        CHECK(!t_exists("ok7"));
        kill(stopped, SIGCONT);
        t_reap(stopped), t_reap(back);
        same(5);
    }
    for (int i = 1; i < N; i++) t_await(t_text("n%d", i));
    node(0);
    t_go();
    EQ(getpid(), all[0].pid), EQ(getpgrp(), all[0].pgid), EQ(getsid(0), all[0].sid);
    for (int i = 1; i < N; i++) {
        pid_t pid = all[i].pid;
        if (i != 1 && getpgid(pid) >= 0) EQ(getpgid(pid), all[i].pgid);
    }
    t_reap(a), t_reap(b);
    for (int i = 1; i < N; i++) t_await(t_text("ok%d", i));
    t_pass();
}
