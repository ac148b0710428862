// needs: any; names: any; row: "Names: pid, tid, pgid, sid in every call, wait status"
// After the go signal: fork, exec, posix_spawn, system and popen work; children born before are killed and waited for.
#include "harness.h"
#include <spawn.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t before = t_fork();
    if (!before)
        for (;;) pause();
    t_go();
    pid_t p = t_fork();
    if (!p) {
        execl("/bin/sh", "sh", "-c", "exit 21", NULL);
        _exit(1);
    }
    CHECK(p != before && p != getpid());
    t_reap_at(__LINE__, p, 21 << 8);
    char *sh[] = {"sh", "-c", "exit 22", NULL};
    OK(posix_spawn(&p, "/bin/sh", NULL, NULL, sh, environ) ? -1 : 0);
    t_reap_at(__LINE__, p, 22 << 8);
    EQ(system("exit 23"), 23 << 8);
    FILE *f = popen("echo $PPID", "r");
    int ppid = 0;
    EQ(fscanf(f, "%d", &ppid), 1);
    EQ(ppid, getpid());
    EQ(pclose(f), 0);
    OK(kill(before, SIGTERM));
    t_reap_at(__LINE__, before, SIGTERM);
    t_pass();
}
