// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// posix_spawn and vfork with exec, all the time, from two threads.
#include "harness.h"
#include <spawn.h>
static void *run(void *arg) {
    for (int n = 0; !t_exists("go") || n < 10; n++) {
        char number[16], *args[] = {"sh", "-c", "exit $0", number, NULL};
        sprintf(number, "%d", n % 100);
        pid_t pid;
        if (arg) {
            pid = vfork();
            if (!pid) {
                execv("/bin/sh", args);
                _exit(255);
            }
            CHECK(pid > 0);
        } else PT(posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ));
        t_reap_at(__LINE__, pid, (n % 100) << 8);
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t a = t_thread(run, 0), b = t_thread(run, 1);
    t_ready();
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_pass();
}
