// needs: any; names: any; row: "Process: exit code of zombies"
// Forks, exits and waits raining all the time: every status is the right one.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    t_ready();
    for (int round = 0; !t_exists("go") || round < 20; round++) {
        pid_t pid[8];
        for (int i = 0; i < 8; i++) {
            pid[i] = t_fork();
            if (!pid[i]) _exit((round + i) % 250);
        }
        for (int i = 0; i < 8; i++) t_reap_at(__LINE__, pid[i], ((round + i) % 250) << 8);
    }
    FAILS(wait(NULL), ECHILD);
    t_pass();
}
