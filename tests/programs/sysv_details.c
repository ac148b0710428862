// needs: any; names: any; row: "IPC: SysV shm, sem (values, undo), msg (queue contents, types) with keys and ids"
// Queues with many types, limits and times; semaphores with undo of two processes, counts of waiters; permissions of each.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif
union semun_ { int val; struct semid_ds *buf; unsigned short *array; };
int main(int argc, char **argv) {
    t_start(argc, argv);
    int q = OK(msgget(0x7e57 + getpid(), 0624 | IPC_CREAT)), s = OK(semget(IPC_PRIVATE, 5, 0640));
    struct { long type; char text[100]; } m;
    for (int i = 0; i < 20; i++) m.type = 1 + i * 7 % 5, memset(m.text, 'a' + i, 100), OK(msgsnd(q, &m, i, 0));
    struct msqid_ds d, d2;
    OK(msgctl(q, IPC_STAT, &d)), d.msg_qbytes = 5000, OK(msgctl(q, IPC_SET, &d)), OK(msgctl(q, IPC_STAT, &d));
    OK(semctl(s, 0, SETALL, (union semun_){.array = (unsigned short[]){10, 20, 0, 1, 32767}}));
    OK(semop(s, (struct sembuf[]){{0, -3, SEM_UNDO}, {1, 5, SEM_UNDO}}, 2));
    pid_t k[3];
    for (int i = 0; i < 3; i++) {
        k[i] = t_fork();
        if (k[i]) continue;
        if (i == 0) OK(semop(s, (struct sembuf[]){{0, -2, SEM_UNDO}}, 1));
        t_mark(t_text("k%d", i));
        if (i == 0) t_wait();
        if (i == 1) OK(semop(s, (struct sembuf[]){{2, -1, 0}}, 1));
        if (i == 2) OK(semop(s, (struct sembuf[]){{3, 0, 0}}, 1));
        _exit(0);
    }
    for (int i = 0; i < 3; i++) t_await(t_text("k%d", i));
    t_ms(60);
    struct semid_ds sd, sd2;
    OK(semctl(s, 0, IPC_STAT, (union semun_){.buf = &sd}));
    t_go();
    OK(msgctl(q, IPC_STAT, &d2));
    EQ(d2.msg_qnum, 20), EQ(d2.msg_qbytes, 5000), EQ(d2.msg_perm.mode & 0777, 0624), EQ(d2.msg_perm.__key, 0x7e57 + getpid()), EQ(d2.msg_cbytes, d.msg_cbytes);
    for (int i = 0; i < 20; i++) {
        if (msgrcv(q, &m, 100, i, MSG_COPY | IPC_NOWAIT) < 0) {
            EQ(errno, ENOSYS); // the kernel was built without it
            break;
        }
        EQ(m.type, 1 + i * 7 % 5);
    }
    EQ(OK(msgrcv(q, &m, 100, -2, 0)), 0), EQ(m.type, 1);
    EQ(OK(msgrcv(q, &m, 100, 4, 0)), 4), EQ(m.text[3], 'a' + 4);
    EQ(OK(semctl(s, 2, GETNCNT)), 1), EQ(OK(semctl(s, 3, GETZCNT)), 1), EQ(OK(semctl(s, 4, GETVAL)), 32767);
    OK(semctl(s, 0, IPC_STAT, (union semun_){.buf = &sd2})), EQ(sd2.sem_nsems, 5), EQ(sd2.sem_perm.mode & 0777, 0640);
    t_reap(k[0]);
    EQ(OK(semctl(s, 0, GETVAL)), 7), EQ(OK(semctl(s, 1, GETVAL)), 25);
    OK(semop(s, (struct sembuf[]){{2, 1, 0}, {3, -1, 0}}, 2));
    t_reap(k[1]), t_reap(k[2]);
    pid_t undo = t_fork();
    if (!undo) _exit(0);
    t_reap(undo);
    EQ(OK(semctl(s, 0, GETVAL)), 7);
    OK(msgctl(q, IPC_RMID, NULL)), OK(semctl(s, 0, IPC_RMID));
    t_pass();
}
