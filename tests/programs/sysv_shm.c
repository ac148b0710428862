// needs: any; names: any; row: "IPC: SysV shm (attach addresses, removed but attached)"
// Segments: id, key, contents, two attachments, one read-only, one in a child, one never attached; attached and removed.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/shm.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    key_t key = 0x41500000 + getpid() % 0x10000;
    int a = OK(shmget(key, 5 * PAGE, IPC_CREAT | IPC_EXCL | 0640)), b = OK(shmget(IPC_PRIVATE, 100, 0600)), gone = OK(shmget(IPC_PRIVATE, 2 * PAGE, 0600));
    char *one = OK((char *)shmat(a, NULL, 0)), *two = OK((char *)shmat(a, NULL, SHM_RDONLY)), *g = OK((char *)shmat(gone, NULL, 0));
    char *tmp = OK((char *)shmat(b, NULL, 0));
    t_fill(tmp, 100, 3), OK(shmdt(tmp));
    t_fill(one, 5 * PAGE, 1), t_fill(g, 2 * PAGE, 2);
    OK(shmctl(gone, IPC_RMID, NULL));
    pid_t pid = t_fork();
    if (!pid) {
        OK(shmdt(two));
        t_mark("child");
        t_wait();
        one[0] = 55, g[0] = 66;
        t_await("counted");
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(shmget(key, 0, 0), a);
    struct shmid_ds ds;
    OK(shmctl(a, IPC_STAT, &ds));
    EQ(ds.shm_segsz, 5 * PAGE), EQ(ds.shm_perm.mode & 0777, 0640), EQ(ds.shm_perm.__key, key), EQ(ds.shm_cpid, getpid()), EQ(ds.shm_nattch, 3);
    t_mark("counted");
    t_reap(pid);
    EQ(two[0], 55), EQ(g[0], 66);
    one[0] = t_byte(0, 1), g[0] = t_byte(0, 2);
    t_same(two, 5 * PAGE, 1), t_same(g, 2 * PAGE, 2);
    OK(shmctl(a, IPC_STAT, &ds));
    EQ(ds.shm_nattch, 2);
    tmp = OK((char *)shmat(b, NULL, 0));
    t_same(tmp, 100, 3);
    OK(shmdt(g));
    FAILS(shmctl(gone, IPC_STAT, &ds), EINVAL);
    t_vma v;
    CHECK(t_vma_at(two, &v));
    STREQ(v.perms, "r--s");
    OK(shmctl(a, IPC_RMID, NULL)), OK(shmctl(b, IPC_RMID, NULL));
    OK(shmdt(one)), OK(shmdt(two));
    t_pass();
}
