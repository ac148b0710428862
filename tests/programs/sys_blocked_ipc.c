// needs: any; names: any; row: "Task: interrupted system call"
// Blocked with a timeout in semtimedop, mq_timedreceive, mq_timedsend, rt_sigtimedwait, futex_waitv, io_getevents; in msgsnd and waitid.
#include "harness.h"
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
enum { N = 8 };
static int sem, msg, futexes[2];
static mqd_t in, out;
static aio_context_t aio;
static pid_t kid;
static struct timespec later(void) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec += 1000;
    return ts;
}
static struct { long type; char text[8000]; } m;
static void *run(void *arg) {
    long i = (long)arg;
    char b[9000];
    t_mark(t_text("t%ld", i));
    struct timespec far = {1000, 0}, at = later();
    switch (i) {
    case 0: OK(semtimedop(sem, &(struct sembuf){0, -1, 0}, 1, &far)); break;
    case 1: EQ(OK(mq_timedreceive(in, b, sizeof b, NULL, &at)), 2); break;
    case 2: OK(mq_timedsend(out, "more", 4, 1, &at)); break;
    case 3: {
        sigset_t one;
        sigemptyset(&one), sigaddset(&one, SIGRTMIN + 4);
        siginfo_t si;
        EQ(OK(sigtimedwait(&one, &si, &far)), SIGRTMIN + 4);
        EQ(si.si_value.sival_int, 99);
        break;
    }
    case 4: {
        struct { uint64_t val, uaddr; uint32_t flags, reserved; } w[2] = {{0, (uintptr_t)&futexes[0], 2 | 128, 0}, {0, (uintptr_t)&futexes[1], 2 | 128, 0}};
        long got = syscall(SYS_futex_waitv, w, 2, 0, NULL, CLOCK_MONOTONIC);
        if (got < 0 && errno == ENOSYS) break;
        CHECK(got == 1 || (got < 0 && errno == EAGAIN));
        EQ(futexes[1], 1);
        break;
    }
    case 5: {
        struct io_event e;
        EQ(OK(syscall(SYS_io_getevents, aio, 1, 1, &e, &far)), 1);
        EQ(e.data, 42);
        break;
    }
    case 6: OK(msgsnd(msg, &m, 8000, 0)); break;
    case 7: {
        siginfo_t si;
        OK(waitid(P_PID, kid, &si, WEXITED));
        EQ(si.si_pid, kid);
        break;
    }
    }
    if (i != 4) CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t set;
    sigfillset(&set);
    OK(sigprocmask(SIG_BLOCK, &set, NULL));
    sem = OK(semget(IPC_PRIVATE, 1, 0600)), msg = OK(msgget(IPC_PRIVATE, 0600));
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 100};
    char *n1 = t_text("/in-%d", getpid()), *n2 = t_text("/out-%d", getpid());
    in = OK(mq_open(n1, O_RDWR | O_CREAT, 0600, &attr)), out = OK(mq_open(n2, O_RDWR | O_CREAT, 0600, &attr));
    OK(mq_unlink(n1)), OK(mq_unlink(n2));
    OK(mq_send(out, "full", 4, 1));
    OK(syscall(SYS_io_setup, 4, &aio));
    m.type = 1;
    while (msgsnd(msg, &m, 8000, IPC_NOWAIT) == 0) ;
    kid = t_fork();
    if (!kid) {
        t_wait();
        _exit(0);
    }
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < N; i++) t_await(t_text("t%d", i));
    t_ms(60);
    t_go();
    char b[9000];
    OK(semop(sem, &(struct sembuf){0, 1, 0}, 1));
    OK(mq_send(in, "hi", 2, 0));
    EQ(OK(mq_receive(out, b, 100, NULL)), 4);
    OK(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = 99}));
    futexes[1] = 1;
    OK(syscall(SYS_futex, &futexes[1], 1 | 128, 1));
    int file = t_make_file("aio", 100, 1);
    struct iocb cb = {.aio_data = 42, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = file, .aio_buf = (uintptr_t)b, .aio_nbytes = 10}, *cbs = &cb;
    EQ(OK(syscall(SYS_io_submit, aio, 1, &cbs)), 1);
    EQ(OK(msgrcv(msg, b, 8000, 0, 0)), 8000);
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    OK(semctl(sem, 0, IPC_RMID)), OK(msgctl(msg, IPC_RMID, NULL));
    t_pass();
}
