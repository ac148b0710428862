// needs: any; names: any; row: "Process: itimers (3)"
// CPU clocks of the process do not run wild: what was used is small, and they advance with work.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    t_go();
    double before = t_now(CLOCK_PROCESS_CPUTIME_ID);
    if (before > 60) FAIL("%f s of CPU used", before);
    for (volatile long i = 0; i < 50000000; i++) {}
    double after = t_now(CLOCK_PROCESS_CPUTIME_ID);
    if (after <= before) FAIL("CPU time stands still");
    struct timespec ts;
    OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
    clockid_t c;
    PT(clock_getcpuclockid(getpid(), &c));
    OK(clock_gettime(c, &ts));
    t_pass();
}
