// needs: any; names: any; row: "Names: ipc keys and ids"
// Several objects of each kind made and removed in turn: the remaining ids are kept, new ones differ.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int id[3][8];
    key_t base = 0x41530000 + (getpid() % 0x1000) * 16;
    for (int i = 0; i < 8; i++) id[0][i] = OK(shmget(base + i, 100 + i, IPC_CREAT | 0600)), id[1][i] = OK(msgget(base + i, IPC_CREAT | 0600)), id[2][i] = OK(semget(base + i, 1 + i, IPC_CREAT | 0600));
    for (int i = 0; i < 8; i += 2) OK(shmctl(id[0][i], IPC_RMID, NULL)), OK(msgctl(id[1][i], IPC_RMID, NULL)), OK(semctl(id[2][i], 0, IPC_RMID));
    t_go();
    for (int i = 0; i < 8; i++) {
        if (i % 2 == 0) {
            FAILS(shmget(base + i, 0, 0), ENOENT);
            continue;
        }
        EQ(shmget(base + i, 0, 0), id[0][i]), EQ(msgget(base + i, 0), id[1][i]), EQ(semget(base + i, 0, 0), id[2][i]);
        struct shmid_ds ds;
        OK(shmctl(id[0][i], IPC_STAT, &ds));
        EQ(ds.shm_segsz, 100 + i);
        int new = OK(shmget(IPC_PRIVATE, 5, 0600));
        for (int k = 1; k < 8; k += 2) CHECK(new != id[0][k]);
        OK(shmctl(new, IPC_RMID, NULL));
    }
    for (int i = 1; i < 8; i += 2) OK(shmctl(id[0][i], IPC_RMID, NULL)), OK(msgctl(id[1][i], IPC_RMID, NULL)), OK(semctl(id[2][i], 0, IPC_RMID));
    t_pass();
}
