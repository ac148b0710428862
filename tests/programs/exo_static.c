// needs: any; names: kernel; flags: -static; row: "Names: pid, tid, pgid, sid in every call"
// A statically linked program with threads, a child and an IPC object.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/shm.h>
static pid_t tid;
static void *run(void *u) {
    tid = gettid();
    t_mark("thread");
    t_wait();
    EQ(gettid(), tid);
    return (void *)7;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t me = getpid(), child = t_fork();
    if (!child) {
        t_wait();
        EQ(getppid(), me);
        _exit(6);
    }
    int id = OK(shmget(IPC_PRIVATE, PAGE, 0600));
    char *m = OK((char *)shmat(id, NULL, 0));
    t_fill(m, PAGE, 1);
    pthread_t t = t_thread(run, NULL);
    t_await("thread");
    t_go();
    EQ(getpid(), me);
    t_same(m, PAGE, 1);
    OK(shmctl(id, IPC_RMID, NULL));
    void *r;
    PT(pthread_join(t, &r));
    EQ((long)r, 7);
    t_reap_at(__LINE__, child, 6 << 8);
    t_pass();
}
