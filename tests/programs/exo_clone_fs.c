// needs: any; names: any; row: "Process: CLONE_FS / CLONE_FILES / CLONE_VM / CLONE_SIGHAND / vfork sharing"
// Processes that share working directory and umask (CLONE_FS), and a thread that has unshared them.
#include "harness.h"
static char stack[65536] __attribute__((aligned(16)));
static int run(void *arg) {
    t_mark("child");
    t_wait();
    OK(chdir("b"));
    umask(0123);
    _exit(0);
}
static void *apart(void *u) {
    OK(unshare(CLONE_FS)), OK(chdir("c"));
    t_mark("thread");
    t_wait();
    t_await("moved");
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd));
    STREQ(cwd, t_text("%s/c", t_dir));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("b", 0755)), OK(mkdir("c", 0755));
    pthread_t t = t_thread(apart, NULL);
    pid_t pid = OK(clone(run, stack + sizeof stack, CLONE_FS | SIGCHLD, NULL));
    t_await("child"), t_await("thread");
    t_go();
    t_reap(pid);
    char cwd[PATH_MAX];
    CHECK(getcwd(cwd, sizeof cwd));
    STREQ(cwd, t_text("%s/b", t_dir));
    EQ(umask(0), 0123);
    t_mark("moved");
    PT(pthread_join(t, NULL));
    t_pass();
}
