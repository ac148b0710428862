// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// Children that execute programs one after another: every one ends as it should, with its output.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    t_ready();
    for (int round = 0; !t_exists("go") || round < 10; round++) {
        pid_t pid[3];
        int p[3][2];
        for (int i = 0; i < 3; i++) {
            OK(pipe2(p[i], O_CLOEXEC));
            pid[i] = t_fork();
            if (pid[i]) continue;
            OK(dup2(p[i][1], 1));
            char number[16];
            sprintf(number, "%d", (round + i) % 200);
            execl("/bin/sh", "sh", "-c", "echo $$; exec /bin/sh -c 'exit $0' $0", number, NULL);
            _exit(255);
        }
        for (int i = 0; i < 3; i++) {
            close(p[i][1]);
            char b[32] = {0};
            OK(read(p[i][0], b, 31));
            EQ(atoi(b), pid[i]);
            close(p[i][0]);
            t_reap_at(__LINE__, pid[i], ((round + i) % 200) << 8);
        }
    }
    t_pass();
}
