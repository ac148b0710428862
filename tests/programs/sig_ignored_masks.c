// needs: any; names: any; row: "Task: signal mask, sigaltstack"
// SigBlk, SigIgn, SigCgt and SigPnd of /proc/self/status are the same after as before.
#include "harness.h"
static void h(int s) {}
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGHUP, SIG_IGN), signal(SIGPIPE, SIG_IGN), signal(SIGUSR1, h), signal(SIGRTMAX, h);
    sigset_t s;
    sigemptyset(&s), sigaddset(&s, SIGINT), sigaddset(&s, SIGRTMIN), sigaddset(&s, SIGTERM);
    OK(sigprocmask(SIG_SETMASK, &s, NULL));
    OK(raise(SIGINT));
    OK(kill(getpid(), SIGTERM));
    static const char *keys[] = {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"};
    char before[5][64];
    for (int i = 0; i < 5; i++) strcpy(before[i], t_status(keys[i]));
    t_go();
    for (int i = 0; i < 5; i++)
        if (strcmp(before[i], t_status(keys[i]))) FAIL("%s: expected %s, actual %s", keys[i], before[i], t_status(keys[i]));
    t_pass();
}
