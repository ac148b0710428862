// needs: any; names: any; row: "IPC: SysV sem (values, undo)"
// Semaphore sets: values, the last operator, key, and undo of a live child that acts when it ends.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/sem.h>
union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};
int main(int argc, char **argv) {
    t_start(argc, argv);
    key_t key = 0x41510000 + getpid() % 0x10000;
    int id = OK(semget(key, 5, IPC_CREAT | IPC_EXCL | 0600));
    unsigned short v[5] = {1, 20, 300, 4000, 30000}, now[5];
    OK(semctl(id, 0, SETALL, (union semun){.array = v}));
    struct sembuf mine = {0, 4, SEM_UNDO};
    OK(semop(id, &mine, 1));
    pid_t pid = t_fork();
    if (!pid) {
        struct sembuf ops[2] = {{1, -15, SEM_UNDO}, {2, 7, SEM_UNDO}};
        OK(semop(id, ops, 2));
        t_mark("child");
        t_wait();
        t_await("checked");
        _exit(0);
    }
    t_await("child");
    t_go();
    EQ(semget(key, 0, 0), id);
    OK(semctl(id, 0, GETALL, (union semun){.array = now}));
    EQ(now[0], 5), EQ(now[1], 5), EQ(now[2], 307), EQ(now[3], 4000), EQ(now[4], 30000);
    EQ(semctl(id, 1, GETPID), pid);
    EQ(semctl(id, 0, GETPID), getpid());
    struct semid_ds ds;
    OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    EQ(ds.sem_nsems, 5), EQ(ds.sem_perm.__key, key);
    t_mark("checked");
    t_reap(pid);
    EQ(semctl(id, 1, GETVAL), 20);
    EQ(semctl(id, 2, GETVAL), 300);
    OK(semctl(id, 0, IPC_RMID));
    t_pass();
}
