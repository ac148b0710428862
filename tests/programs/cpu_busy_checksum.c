// needs: any; names: any; row: "Task: registers, FPU/XSAVE, fs/gs base"
// Four threads compute integers and floats without pause; every intermediate result is predicted.
#include "harness.h"
static volatile int stop;
static void *run(void *arg) {
    uint64_t x = (uint64_t)arg, rounds = 0;
    double f = 1.0;
    while (!stop || rounds < 100) {
        uint64_t y = x;
        double g = f;
        for (int i = 0; i < 20000; i++) {
            x = x * 6364136223846793005ull + 1442695040888963407ull;
            f = f * 1.0000001 + 1e-9;
        }
        uint64_t z = y;
        double h = g;
        for (int i = 0; i < 20000; i++) {
            z = z * 6364136223846793005ull + 1442695040888963407ull;
            h = h * 1.0000001 + 1e-9;
        }
        if (x != z || f != h) FAIL("round %lu: %lx %lx %.17g %.17g", rounds, x, z, f, h);
        if (f > 1e6) f = 1.0;
        rounds++;
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[4];
    for (long i = 0; i < 4; i++) t[i] = t_thread(run, i + 1);
    t_go();
    t_ms(100);
    stop = 1;
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
