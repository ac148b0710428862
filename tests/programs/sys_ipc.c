// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in msgrcv, msgsnd (full queue), semop, semtimedop and mq_receive.
#include "harness.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
static int q, full, sem;
static mqd_t mq;
struct message {
    long type;
    char text[64];
};
static void *waits(void *arg) {
    long kind = (long)arg;
    struct message m = {.type = 1};
    struct sembuf op = {.sem_num = kind == 3, .sem_op = -1};
    struct timespec ts = {600, 0};
    char text[64];
    switch (kind) {
    case 0:
        EQ(OK(msgrcv(q, &m, sizeof m.text, 7, 0)), 5);
        STREQ(m.text, "here");
        break;
    case 1: OK(msgsnd(full, &m, sizeof m.text, 0)); break;
    case 2: OK(semop(sem, &op, 1)); break;
    case 3: OK(semtimedop(sem, &op, 1, &ts)); break;
    default: EQ(OK(mq_receive(mq, text, sizeof text, NULL)), 3);
    }
    if (!t_exists("go")) FAIL("kind %ld returned too early", kind);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    q = OK(msgget(IPC_PRIVATE, 0600));
    full = OK(msgget(IPC_PRIVATE, 0600));
    sem = OK(semget(IPC_PRIVATE, 2, 0600));
    char *name = t_text("/wait%d", (int)getpid());
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    mq = OK(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
    OK(mq_unlink(name));
    struct message m = {.type = 3};
    while (!msgsnd(full, &m, sizeof m.text, IPC_NOWAIT)) {}
    EQ(errno, EAGAIN);
    pthread_t t[5];
    for (long i = 0; i < 5; i++) t[i] = t_thread(waits, i);
    t_ms(50);
    t_go();
    m.type = 7;
    strcpy(m.text, "here");
    OK(msgsnd(q, &m, 5, 0));
    OK(msgrcv(full, &m, sizeof m.text, 0, 0));
    EQ(m.type, 3);
    struct sembuf up[2] = {{.sem_num = 0, .sem_op = 1}, {.sem_num = 1, .sem_op = 1}};
    OK(semop(sem, up, 2));
    OK(mq_send(mq, "abc", 3, 1));
    for (int i = 0; i < 5; i++) PT(pthread_join(t[i], NULL));
    OK(msgctl(q, IPC_RMID, NULL));
    OK(msgctl(full, IPC_RMID, NULL));
    OK(semctl(sem, 0, IPC_RMID));
    t_pass();
}
