// needs: any; names: any; row: "Task: stopped by job control (T) or ptraced inside the pod"
// A stopped process of several threads, one of them in a system call, with a signal pending that acts when continued.
#include "harness.h"
static volatile sig_atomic_t usr1;
static void handler(int s) { usr1++; }
static void *sleeper(void *u) {
    while (!usr1) pause();
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        signal(SIGUSR1, handler);
        for (int i = 0; i < 3; i++) t_thread(sleeper, NULL);
        t_mark("up");
        while (!usr1) t_ms(10);
        EQ(usr1, 1);
        CHECK(t_exists("go"));
        _exit(5);
    }
    t_await("up");
    OK(kill(pid, SIGSTOP));
    int status;
    EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
    OK(kill(pid, SIGUSR1));
    t_go();
    EQ(*t_field(t_text("/proc/%d/status", pid), "State"), 'T');
    EQ(atoi(t_field(t_text("/proc/%d/status", pid), "Threads")), 4);
    OK(kill(pid, SIGCONT));
    t_reap_at(__LINE__, pid, 5 << 8);
    t_pass();
}
