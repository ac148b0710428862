// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// Children stopped by SIGSTOP, SIGTSTP and SIGTTIN: still stopped, wait reports what it should, and they continue.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    static const int how[] = {SIGSTOP, SIGTSTP, SIGTTIN};
    pid_t pid[3];
    int status;
    for (int i = 0; i < 3; i++) {
        pid[i] = t_fork();
        if (!pid[i]) {
            signal(SIGTSTP, SIG_DFL), signal(SIGTTIN, SIG_DFL);
            OK(setpgid(0, 0));
            t_mark(t_text("up%d", i));
            for (int n = 0;; n++) {
                t_ms(10);
                if (t_exists("cont")) _exit(n < 1000000 ? 20 + i : 1);
                t_mark(t_text("alive%d", i));
            }
        }
        t_await(t_text("up%d", i));
        OK(kill(pid[i], how[i]));
        if (i == 0) continue; // this one's stop is not yet reported
        EQ(OK(waitpid(pid[i], &status, WUNTRACED)), pid[i]);
        EQ(WSTOPSIG(status), how[i]);
    }
    t_ms(50);
    t_go();
    t_ms(50);
    for (int i = 0; i < 3; i++) EQ(*t_field(t_text("/proc/%d/status", pid[i]), "State"), 'T');
    EQ(OK(waitpid(pid[0], &status, WUNTRACED | WNOHANG)), pid[0]);
    CHECK(WIFSTOPPED(status));
    EQ(WSTOPSIG(status), SIGSTOP);
    for (int i = 0; i < 3; i++) unlink(t_text("alive%d", i));
    t_ms(60);
    for (int i = 0; i < 3; i++) CHECK(!t_exists(t_text("alive%d", i)));
    t_mark("cont");
    for (int i = 0; i < 3; i++) {
        EQ(OK(waitpid(pid[i], &status, WUNTRACED | WNOHANG)), 0);
        OK(kill(pid[i], SIGCONT));
        EQ(OK(waitpid(pid[i], &status, WCONTINUED)), pid[i]);
        if (WIFCONTINUED(status)) t_reap_at(__LINE__, pid[i], (20 + i) << 8);
        else EQ(status, (20 + i) << 8);
    }
    t_pass();
}
