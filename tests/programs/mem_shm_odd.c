// needs: any; names: any; row: "Memory: SysV and POSIX shared memory"
// A SysV segment attached twice and read-only, partly unmapped, removed since; one with nothing attached; who made it and when.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/shm.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int id = OK(shmget(IPC_PRIVATE, 8 * PAGE + 100, 0600 | IPC_CREAT)), idle = OK(shmget(0x5aa5 + getpid(), 100, 0640 | IPC_CREAT));
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY), *c = shmat(id, NULL, 0);
    CHECK(a != (void *)-1 && b != (void *)-1 && c != (void *)-1);
    t_fill(a, 8 * PAGE, 1);
    OK(munmap(c, 2 * PAGE)), OK(munmap(c + 5 * PAGE, PAGE));
    OK(shmctl(id, IPC_RMID, NULL));
    struct shmid_ds was, now, idle_was;
    OK(shmctl(id, IPC_STAT, &was)), OK(shmctl(idle, IPC_STAT, &idle_was));
    t_go();
    OK(shmctl(id, IPC_STAT, &now));
    EQ(now.shm_segsz, 8 * PAGE + 100), EQ(now.shm_perm.mode, was.shm_perm.mode), EQ(now.shm_nattch, was.shm_nattch);
    EQ(now.shm_cpid, was.shm_cpid), EQ(now.shm_perm.uid, getuid());
    t_same(b, 8 * PAGE, 1);
    a[2 * PAGE] = 'x';
    EQ(b[2 * PAGE], 'x'), EQ(c[2 * PAGE], 'x');
    unsigned char there;
    FAILS(mincore(c, PAGE, &there), ENOMEM), FAILS(mincore(c + 5 * PAGE, PAGE, &there), ENOMEM);
    OK(shmctl(idle, IPC_STAT, &now));
    EQ(now.shm_perm.__key, 0x5aa5 + getpid()), EQ(now.shm_perm.mode & 0777, 0640), EQ(now.shm_nattch, 0);
    EQ(now.shm_perm.__seq, idle_was.shm_perm.__seq);
    OK(shmdt(a)), OK(shmdt(b)), OK(shmdt(c));
    FAILS(shmctl(id, IPC_STAT, &now), EINVAL);
    OK(shmctl(idle, IPC_RMID, NULL));
    t_pass();
}
