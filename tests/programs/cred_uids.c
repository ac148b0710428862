// needs: root; names: any; row: "Process: credentials: uids, gids, groups"
// Different real, effective, saved and file-system ids of users and groups, and supplementary groups.
#include "harness.h"
#include <grp.h>
#include <sys/fsuid.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    gid_t groups[] = {7, 1000, 54321, 60000, 3}, got[16], g[3];
    uid_t u[3];
    OK(setgroups(5, groups));
    OK(setresgid(11, 12, 13));
    OK(setresuid(1001, 1002, 1003));
    t_go();
    OK(getresuid(&u[0], &u[1], &u[2]));
    OK(getresgid(&g[0], &g[1], &g[2]));
    for (int i = 0; i < 3; i++) EQ(u[i], 1001 + i), EQ(g[i], 11 + i);
    EQ(setfsuid(-1), 1002);
    EQ(setfsgid(-1), 12);
    EQ(OK(getgroups(16, got)), 5);
    for (int i = 0; i < 5; i++) {
        int found = 0;
        for (int k = 0; k < 5; k++) found += got[k] == groups[i];
        EQ(found, 1);
    }
    OK(setresuid(-1, 1003, -1));
    FAILS(setresuid(0, 0, 0), EPERM);
    t_pass();
}
