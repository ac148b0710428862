// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// A parent waiting in vfork: it goes on when the child ends, not before, and sees what the child wrote.
#include "harness.h"
static volatile int word;
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid = vfork();
    if (!pid) {
        word = 1;
        t_go();
        word = 2;
        _exit(3);
    }
    EQ(word, 2);
    CHECK(t_exists("go"));
    t_reap_at(__LINE__, pid, 3 << 8);
    t_pass();
}
