// needs: any; names: any; row: "Process: itimers (3)"
// Real, virtual and profiling interval timers: remaining time, interval, and the signals still come.
#include "harness.h"
static volatile sig_atomic_t hits[65];
static void handler(int s) { hits[s]++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGALRM, handler), signal(SIGVTALRM, handler), signal(SIGPROF, handler);
    struct itimerval real = {{700, 5000}, {300, 0}}, virt = {{0, 20000}, {0, 20000}}, prof = {{900, 0}, {400, 0}}, now;
    OK(setitimer(ITIMER_REAL, &real, NULL));
    OK(setitimer(ITIMER_VIRTUAL, &virt, NULL));
    OK(setitimer(ITIMER_PROF, &prof, NULL));
    t_go();
    OK(getitimer(ITIMER_REAL, &now));
    if (now.it_value.tv_sec > 300 || now.it_value.tv_sec < 100) FAIL("real: %ld s left of 300", now.it_value.tv_sec);
    EQ(now.it_interval.tv_sec, 700);
    EQ(now.it_interval.tv_usec, 5000);
    OK(getitimer(ITIMER_PROF, &now));
    if (now.it_value.tv_sec > 400 || now.it_value.tv_sec < 380) FAIL("prof: %ld s left of 400", now.it_value.tv_sec);
    EQ(now.it_interval.tv_sec, 900);
    int before = hits[SIGVTALRM];
    for (volatile long i = 0; hits[SIGVTALRM] < before + 3; i++)
        if (i > 20000000000l) FAIL("the virtual timer does not run");
    EQ(hits[SIGALRM], 0);
    struct itimerval soon = {{0, 0}, {0, 10000}};
    OK(setitimer(ITIMER_REAL, &soon, NULL));
    for (int i = 0; i < 500 && !hits[SIGALRM]; i++) t_ms(10);
    EQ(hits[SIGALRM], 1);
    t_pass();
}
