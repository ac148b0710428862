// needs: any; names: any; row: "Task: interrupted system call"
// A nanosleep of an hour, interrupted by a signal after the go signal, reports the time that remains.
#include "harness.h"
static void handler(int s) {}
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_handler = handler};
    OK(sigaction(SIGUSR1, &a, NULL));
    pid_t k = t_kicker(kill(getppid(), SIGUSR1));
    struct timespec ts = {3600, 0}, rem = {0};
    t_ready();
    FAILS(nanosleep(&ts, &rem), EINTR);
    CHECK(t_exists("go"));
    if (rem.tv_sec < 3400 || rem.tv_sec > 3599) FAIL("remaining %ld s of 3600", (long)rem.tv_sec);
    t_reap(k);
    t_pass();
}
