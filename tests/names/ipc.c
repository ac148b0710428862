/* System V and POSIX objects. */
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct message { long type; char text[16]; };

static int lines_of(const char *path) {
    FILE *file = fopen(path, "r");
    CHECK(file);
    int count = 0;
    for (int c; (c = getc(file)) != EOF;) count += c == '\n';
    fclose(file);
    return count;
}

int main(int argc, char **argv) {
    key_t key = argc > 1 ? atoi(argv[1]) : 0x5a17 + (IN_POD ? 0 : getpid() << 8);
    int shm = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(shm >= 0);
    CHECK(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600) == -1 && errno == EEXIST);
    CHECK(shmget(key, 8192, 0) == -1 && errno == EINVAL);
    CHECK(shmget(key + 1, 4096, 0) == -1 && errno == ENOENT);
    CHECK_EQ(shmget(key, 0, 0), shm);
    CHECK_EQ(syscall(SYS_shmget, key, 0, 0), shm);
    char *memory = shmat(shm, NULL, 0);
    CHECK(memory != (void *)-1);
    strcpy(memory, "hello");
    struct shmid_ds state;
    CHECK_EQ(shmctl(shm, IPC_STAT, &state), 0);
    CHECK_EQ(state.shm_cpid, getpid());
    CHECK_EQ(state.shm_lpid, getpid());
    CHECK_EQ(state.shm_nattch, 1);
    CHECK_EQ(state.shm_perm.__key, key);
    int sem = semget(key, 2, IPC_CREAT | 0600), msg = msgget(key, IPC_CREAT | 0600);
    CHECK(sem >= 0 && msg >= 0);
    int anonymous = shmget(IPC_PRIVATE, 100, 0600), anonymous2 = shmget(IPC_PRIVATE, 100, 0600);
    CHECK(anonymous >= 0 && anonymous != anonymous2 && anonymous != shm);
    CHECK_EQ(shmctl(anonymous, IPC_STAT, &state), 0);
    CHECK_EQ(state.shm_perm.__key, 0);

    pid_t child = fork();
    if (child == 0) {
        char *theirs = shmat(shmget(key, 0, 0), NULL, SHM_RDONLY);
        CHECK(theirs != (void *)-1 && strcmp(theirs, "hello") == 0);
        struct sembuf wait_for = {1, -1, 0};
        CHECK_EQ(semop(sem, &wait_for, 1), 0);
        struct message m = {3, "from child"};
        CHECK_EQ(msgsnd(msg, &m, sizeof m.text, 0), 0);
        _exit(0);
    }
    usleep(20000);
    struct sembuf post = {1, 1, 0};
    CHECK_EQ(semop(sem, &post, 1), 0);
    struct message m;
    CHECK_EQ(msgrcv(msg, &m, sizeof m.text, 3, 0), sizeof m.text);
    CHECK(strcmp(m.text, "from child") == 0);
    CHECK_EQ(semctl(sem, 1, GETPID), child);
    struct msqid_ds queue;
    CHECK_EQ(msgctl(msg, IPC_STAT, &queue), 0);
    CHECK_EQ(queue.msg_lspid, child);
    CHECK_EQ(queue.msg_lrpid, getpid());
    CHECK_EQ(queue.msg_perm.__key, key);
    struct semid_ds set;
    CHECK_EQ(semctl(sem, 0, IPC_STAT, &set), 0);
    CHECK_EQ(set.sem_perm.__key, key);
    CHECK_EQ(set.sem_nsems, 2);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    unsigned short values[2] = {7, 8};
    CHECK_EQ(semctl(sem, 0, SETALL, values), 0);
    CHECK_EQ(semctl(sem, 1, GETVAL), 8);
    struct timespec soon = {0, 1000000};
    struct sembuf never = {0, -100, 0};
    CHECK(semtimedop(sem, &never, 1, &soon) == -1 && errno == EAGAIN);
    if (IN_POD && argc == 1) {
        CHECK_EQ(lines_of("/proc/sysvipc/shm"), 4);
        CHECK_EQ(lines_of("/proc/sysvipc/sem"), 2);
        CHECK_EQ(lines_of("/proc/sysvipc/msg"), 2);
    }
    CHECK_EQ(shmctl(shm, IPC_RMID, NULL), 0);
    CHECK_EQ(shmdt(memory), 0);
    CHECK(shmctl(shm, IPC_STAT, &state) == -1 && (errno == EINVAL || errno == EIDRM));
    CHECK_EQ(semctl(sem, 0, IPC_RMID), 0);
    CHECK(semop(sem, &post, 1) == -1 && errno == EINVAL);
    CHECK_EQ(msgctl(msg, IPC_RMID, NULL), 0);
    CHECK(msgsnd(msg, &m, 1, 0) == -1 && errno == EINVAL);
    CHECK_EQ(shmctl(anonymous, IPC_RMID, NULL), 0);
    CHECK_EQ(shmctl(anonymous2, IPC_RMID, NULL), 0);
    CHECK(shmctl(-1, IPC_STAT, &state) == -1 && errno == EINVAL);
    for (int round = 0; round < 300; round++) {
        int id = msgget(IPC_PRIVATE, 0600);
        CHECK(id >= 0);
        CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
    }

    char name[64], path[80];
    snprintf(name, sizeof name, "/names-%d", key);
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600) == -1 && errno == EEXIST);
    CHECK(shm_open("/a/b", O_RDWR, 0600) == -1 && errno == EINVAL);
    CHECK_EQ(ftruncate(fd, 100), 0);
    snprintf(path, sizeof path, "/dev/shm%s", name);
    struct stat there;
    CHECK_EQ(stat(path, &there), 0);
    CHECK_EQ(there.st_size, 100);
    CHECK_EQ(shm_unlink(name), 0);
    CHECK(stat(path, &there) == -1 && errno == ENOENT);
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
    CHECK(semaphore != SEM_FAILED);
    int count;
    CHECK_EQ(sem_getvalue(semaphore, &count), 0);
    CHECK_EQ(count, 3);
    CHECK(sem_open(name, O_CREAT | O_EXCL, 0600, 3) == SEM_FAILED && errno == EEXIST);
    sem_t *again = sem_open(name, 0);
    CHECK(again == semaphore);
    snprintf(path, sizeof path, "/dev/shm/sem.%s", name + 1);
    CHECK_EQ(access(path, R_OK), 0);
    CHECK_EQ(sem_unlink(name), 0);
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 32};
    mqd_t mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    CHECK(mq >= 0);
    CHECK(mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes) == -1 && errno == EEXIST);
    CHECK_EQ(mq_send(mq, "abc", 3, 0), 0);
    char buffer[32];
    CHECK_EQ(mq_receive(mq, buffer, sizeof buffer, NULL), 3);
    CHECK_EQ(mq_unlink(name), 0);
    return 0;
}
