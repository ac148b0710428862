// needs: root; names: any; row: "Process: umask, cwd, root"
// Processes with another root: working directory outside of it, root deleted since, one within the other's, a thread with its own.
#include "harness.h"
#include <sys/syscall.h>
static void *run(void *arg) {
    OK(syscall(SYS_unshare, 0x200 /* CLONE_FS */));
    OK(chdir("thread-dir"));
    umask(031);
    t_mark("thread");
    t_wait();
    char b[PATH_MAX];
    CHECK(getcwd(b, sizeof b));
    CHECK(strstr(b, "/thread-dir"));
    EQ(umask(0), 031);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("r1", 0755)), OK(mkdir("r1/r2", 0755)), OK(mkdir("gone", 0755)), OK(mkdir("thread-dir", 0755));
    close(t_make_file("r1/mark1", 1, 1)), close(t_make_file("r1/r2/mark2", 1, 1));
    t_root_fd = OK(open(".", O_RDONLY | O_DIRECTORY));
    pid_t kids[3];
    for (int i = 0; i < 3; i++) {
        kids[i] = t_fork();
        if (kids[i]) continue;
        if (i == 0) OK(chroot("r1")); // the working directory stays outside
        if (i == 1) OK(chroot("r1")), OK(chroot("/r2")), OK(chdir("/"));
        if (i == 2) OK(chroot("gone")), OK(chdir("/"));
        t_mark(t_text("k%d", i));
        t_wait();
        if (i == 0) {
            OK(access("/mark1", F_OK)), OK(access("thread-dir", F_OK)), OK(access("r1/mark1", F_OK));
            FAILS(access("/thread-dir", F_OK), ENOENT);
        }
        if (i == 1) OK(access("/mark2", F_OK)), OK(access("mark2", F_OK)), OK(access("/../mark2", F_OK)), FAILS(access("/r2", F_OK), ENOENT);
        if (i == 2) {
            struct stat s;
            OK(stat("/", &s)), EQ(s.st_nlink, 0);
            FAILS(access("/mark1", F_OK), ENOENT), FAILS(mkdir("/x", 0700), ENOENT);
        }
        _exit(0);
    }
    for (int i = 0; i < 3; i++) t_await(t_text("k%d", i));
    OK(rmdir("gone"));
    umask(027);
    pthread_t t = t_thread(run, 0);
    t_await("thread");
    t_go();
    EQ(umask(0), 027);
    STREQ(t_text("%s", getcwd(NULL, 0)), t_dir);
    PT(pthread_join(t, NULL));
    for (int i = 0; i < 3; i++) t_reap(kids[i]);
    t_pass();
}
