// needs: any; names: any; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// Scripts: children that are shells with arguments, a here-document, variables, traps and a pipeline.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    FILE *f = fopen("script", "w");
    fprintf(f, "#!/bin/sh\nx=41\ntrap 'echo term >>trapped' USR1\necho $$ >sh.pid\n: >started\n"
               "while [ ! -e go ]; do sleep 0.02; done\nx=$((x+1))\nkill -USR1 $$\necho \"$0 $1 $x $(cat <<X | tr a-z A-Z\nshell\nX\n)\" >out\nexit 5\n");
    fclose(f);
    OK(chmod("script", 0755));
    pid_t pid = t_fork();
    if (!pid) {
        execl("./script", "ignored", "an argument", NULL);
        _exit(9);
    }
    t_await("started");
    t_go();
    t_reap_at(__LINE__, pid, 5 << 8);
    char b[200] = {0};
    int fd = OK(open("out", O_RDONLY));
    OK(read(fd, b, 199));
    STREQ(b, "./script an argument 42 SHELL\n");
    CHECK(t_exists("trapped"));
    fd = OK(open("sh.pid", O_RDONLY));
    memset(b, 0, sizeof b), OK(read(fd, b, 199));
    EQ(atoi(b), pid);
    t_pass();
}
