// needs: any; names: any; row: "IPC: SysV shm (attach addresses, removed but attached)"
// Objects whose makers are dead and which nobody holds exist on in the pod.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/shm.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    key_t key = 0x41540000 + getpid() % 0x10000;
    pid_t pid = t_fork();
    if (!pid) {
        int id = OK(shmget(key, 3 * PAGE, IPC_CREAT | 0600)), q = OK(msgget(key, IPC_CREAT | 0600));
        t_fill(OK((char *)shmat(id, NULL, 0)), 3 * PAGE, 5);
        OK(msgsnd(q, "\1\0\0\0\0\0\0\0left", 4, 0));
        _exit(0);
    }
    t_reap(pid);
    t_go();
    int id = OK(shmget(key, 0, 0)), q = OK(msgget(key, 0));
    char *m = OK((char *)shmat(id, NULL, 0)), b[16];
    t_same(m, 3 * PAGE, 5);
    EQ(OK(msgrcv(q, b, 8, 0, IPC_NOWAIT)), 4);
    MEMEQ(b + 8, "left", 4);
    OK(shmctl(id, IPC_RMID, NULL)), OK(msgctl(q, IPC_RMID, NULL));
    t_pass();
}
