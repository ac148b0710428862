// tries: become the host's root by a set-user-id program of the host's
// wall: no_new_privs
// control: both
#include "attack.h"
ATTACK
{
    const char *program = text("setuid_program");
    long child = sc(__NR_fork);
    if (child == 0) {
        char secret[300];
        format(secret, sizeof secret, "file=%s", text("root_file"));
        const char *const argv[] = {program, secret, NULL};
        leave((int)-sc(__NR_execve, program, argv, (char *[]){NULL}));
    }
    int status = 0;
    wait_for(child, &status);
    attempt("execve", status >> 8 == 3 ? 0 : -(status >> 8 & 255 ? status >> 8 & 255 : EPERM));
}
