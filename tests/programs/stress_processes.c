// needs: any; names: any; slow; row: "Process: parent, process group, session, controlling terminal, foreground group"
// 300 processes, each with an id, a pipe and a pattern of its own.
#include "harness.h"
enum { N = 300 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid[N];
    int up[2];
    OK(pipe(up));
    for (int i = 0; i < N; i++) {
        pid[i] = t_fork();
        if (pid[i]) continue;
        char pattern[5000], c = 1;
        t_fill(pattern, sizeof pattern, i);
        pid_t me = getpid(), parent = getppid();
        t_write(up[1], &c, 1);
        while (!t_exists("go")) t_ms(200);
        t_same(pattern, sizeof pattern, i);
        EQ(getpid(), me), EQ(getppid(), parent);
        _exit(i % 200);
    }
    char all[N];
    t_read(up[0], all, N);
    t_go();
    for (int i = 0; i < N; i++) t_reap_at(__LINE__, pid[i], (i % 200) << 8);
    t_pass();
}
