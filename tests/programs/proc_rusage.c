// needs: any; names: any; row: "Process: exit code of zombies"
// The resource usage of a zombie and of children waited for is not lost: CPU time used before is still counted.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = t_fork();
    if (!pid) {
        while (t_now(CLOCK_PROCESS_CPUTIME_ID) < 0.3) {}
        _exit(0);
    }
    siginfo_t si;
    OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
    t_go();
    int status;
    struct rusage ru;
    EQ(OK(wait4(pid, &status, 0, &ru)), pid);
    double used = ru.ru_utime.tv_sec + ru.ru_stime.tv_sec + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    if (used < 0.25) FAIL("the zombie used %f s", used);
    t_pass();
}
