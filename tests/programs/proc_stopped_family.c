// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A whole family stopped: a shell-like parent, its pipeline, and a grandchild in another group; continued from the top.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t parent = t_fork();
    if (!parent) {
        OK(setpgid(0, 0));
        int p[2];
        OK(pipe(p));
        pid_t a = t_fork();
        if (!a) {
            close(p[0]);
            t_mark("a");
            for (int i = 0; !t_exists("go"); i++) t_write(p[1], &i, sizeof i), t_ms(2);
            _exit(0);
        }
        pid_t b = t_fork();
        if (!b) {
            close(p[1]);
            t_mark("b");
            int got, expected = 0;
            while (read(p[0], &got, sizeof got) == sizeof got) EQ(got, expected), expected++;
            CHECK(t_exists("go"));
            _exit(0);
        }
        pid_t c = t_fork();
        if (!c) {
            close(p[0]), close(p[1]);
            OK(setpgid(0, 0));
            t_mark("c");
            raise(SIGSTOP);
            _exit(0);
        }
        close(p[0]), close(p[1]);
        siginfo_t si;
        OK(waitid(P_PID, c, &si, WSTOPPED));
        t_mark("parent");
        t_reap(a), t_reap(b);
        kill(c, SIGCONT), t_reap(c);
        _exit(0);
    }
    t_await("parent"), t_await("a"), t_await("b");
    kill(-parent, SIGSTOP);
    int status;
    EQ(OK(waitpid(parent, &status, WUNTRACED)), parent);
    t_go();
    t_ms(30);
    EQ(OK(waitpid(parent, &status, WNOHANG)), 0);
    EQ(t_field(t_text("/proc/%d/status", parent), "State")[0], 'T');
    kill(-parent, SIGCONT);
    t_reap(parent);
    t_pass();
}
