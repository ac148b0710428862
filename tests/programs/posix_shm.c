// needs: any; names: any; row: "IPC: named semaphores, shm_open objects"
// shm_open objects, named and unlinked, mapped by two processes; named and unnamed process-shared semaphores.
#include "harness.h"
#include <semaphore.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    char *name = strdup(t_text("/autopod-shm-%d", getpid())), *gone = strdup(t_text("/autopod-gone-%d", getpid())), *sname = strdup(t_text("/autopod-sem-%d", getpid()));
    int fd = OK(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600)), g = OK(shm_open(gone, O_RDWR | O_CREAT | O_EXCL, 0600));
    OK(ftruncate(fd, 3 * PAGE)), OK(ftruncate(g, 2 * PAGE));
    char *m = OK(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), *n = OK(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, g, 0));
    OK(shm_unlink(gone));
    close(fd), close(g);
    t_fill(m, 3 * PAGE, 1), t_fill(n + PAGE, PAGE, 2);
    sem_t *s = sem_open(sname, O_CREAT | O_EXCL, 0600, 5), *u = (void *)n;
    CHECK(s != SEM_FAILED);
    OK(sem_init(u, 1, 0));
    pid_t pid = t_fork();
    if (!pid) {
        t_mark("child");
        OK(sem_wait(u)); // blocked over the go signal
        CHECK(t_exists("go"));
        OK(sem_post(s));
        m[1] = 44;
        _exit(0);
    }
    t_await("child");
    t_go();
    OK(sem_post(u));
    t_reap(pid);
    int v;
    OK(sem_getvalue(s, &v));
    EQ(v, 6);
    EQ(m[1], 44);
    m[1] = t_byte(1, 1);
    t_same(m, 3 * PAGE, 1), t_same(n + PAGE, PAGE, 2);
    fd = OK(shm_open(name, O_RDWR, 0));
    char c;
    EQ(pread(fd, &c, 1, 2 * PAGE), 1);
    EQ((unsigned char)c, t_byte(2 * PAGE, 1));
    sem_t *again = sem_open(sname, 0);
    CHECK(again == s);
    FAILS(shm_open(gone, O_RDWR, 0), ENOENT);
    OK(shm_unlink(name)), OK(sem_unlink(sname));
    t_pass();
}
