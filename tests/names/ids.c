/* Who one is, and who one's children are, by every way of making them. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

extern char **environ;
static int pipes[2];
static pid_t parent;

static void report(void) {
    pid_t ids[5] = {getpid(), getppid(), gettid(), getpgid(0), getsid(0)};
    CHECK(write(pipes[1], ids, sizeof ids) == sizeof ids);
}

static void verify(pid_t child) {
    pid_t ids[5];
    CHECK(child > 0);
    CHECK(read(pipes[0], ids, sizeof ids) == sizeof ids);
    CHECK_EQ(ids[0], child);
    CHECK_EQ(ids[1], getpid());
    CHECK_EQ(ids[2], child);
    CHECK_EQ(ids[3], getpgrp());
    CHECK_EQ(ids[4], getsid(0));
    CHECK_EQ(kill(child, 0), 0);
    CHECK_EQ(getpgid(child), getpgrp());
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(kill(child, 0) == -1 && errno == ESRCH);
    CHECK(getpgid(child) == -1 && errno == ESRCH);
    CHECK(waitpid(child, NULL, 0) == -1 && errno == ECHILD);
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(gettid(), parent);
}

static int cloned(void *argument) {
    CHECK(argument == &parent);
    report();
    _exit(7);
}

static int threaded(void *argument) {
    *(pid_t *)argument = gettid();
    return 0;
}

static void atfork_child(void) { CHECK(getpid() != parent); }

static void *thread(void *argument) {
    (void)argument;
    pid_t tid = gettid();
    CHECK(tid != getpid());
    CHECK_EQ(tid, syscall(SYS_gettid));
    CHECK_EQ(tgkill(getpid(), tid, 0), 0);
    CHECK_EQ(syscall(SYS_tkill, tid, 0), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, tid), 0);
    pid_t child = fork();
    if (child == 0) { report(); _exit(7); }
    pid_t ids[5];
    CHECK(read(pipes[0], ids, sizeof ids) == sizeof ids);
    CHECK_EQ(ids[0], child);
    CHECK_EQ(ids[1], parent);
    CHECK_EQ(ids[2], child);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(gettid(), tid);
    return (void *)(long)tid;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        pipes[1] = atoi(argv[1]);
        report();
        return 7;
    }
    parent = getpid();
    CHECK(pipe(pipes) == 0);
    CHECK_EQ(syscall(SYS_getpid), parent);
    CHECK_EQ(syscall(SYS_getppid), getppid());
    CHECK(getppid() > 0);
    CHECK_EQ(gettid(), parent);
    CHECK_EQ(getpgid(parent), getpgrp());
    CHECK_EQ(getsid(parent), getsid(0));
    CHECK(kill(4194303, 0) == -1 && errno == ESRCH);
    CHECK_EQ(kill(parent, 0), 0);
    CHECK_EQ(pthread_atfork(NULL, NULL, atfork_child), 0);

    pid_t child = fork();
    if (child == 0) { report(); _exit(7); }
    verify(child);

    child = vfork();
    if (child == 0) { report(); _exit(7); }
    verify(child);

    child = vfork();
    if (child == 0) {
        pid_t inner = vfork();
        if (inner == 0) _exit(3);
        int status;
        if (waitpid(inner, &status, 0) != inner || WEXITSTATUS(status) != 3) _exit(1);
        report();
        _exit(7);
    }
    verify(child);

    child = vfork();
    char number[16];
    snprintf(number, sizeof number, "%d", pipes[1]);
    if (child == 0) { execl("/proc/self/exe", argv[0], number, (char *)NULL); _exit(1); }
    verify(child);

    child = syscall(SYS_fork);
    if (child == 0) { report(); _exit(7); }
    verify(child);

    child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) { report(); _exit(7); }
    verify(child);

    char *arguments[] = {argv[0], number, NULL};
    CHECK_EQ(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
    verify(child);

    static char stack[65536] __attribute__((aligned(16)));
    pid_t told = 0;
    child = clone(cloned, stack + sizeof stack, CLONE_PARENT_SETTID | SIGCHLD, &parent, &told);
    CHECK_EQ(told, child);
    verify(child);

    /* A group and a session. */
    int gate[2];
    CHECK(pipe(gate) == 0);
    child = fork();
    if (child == 0) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(0); }
    CHECK_EQ(setpgid(child, 0), 0);
    CHECK_EQ(getpgid(child), child);
    pid_t other = fork();
    if (other == 0) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(getpgrp() == child ? 9 : 1); }
    CHECK_EQ(setpgid(other, child), 0);
    CHECK_EQ(getpgid(other), child);
    CHECK_EQ(killpg(child, 0), 0);
    CHECK_EQ(kill(-child, 0), 0);
    /* The leader goes, the group stays. */
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK(kill(child, 0) == -1 && errno == ESRCH);
    CHECK_EQ(kill(-child, 0), 0);
    CHECK_EQ(getpgid(other), child);
    close(gate[1]);
    siginfo_t info = {0};
    CHECK_EQ(waitid(P_PGID, child, &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, other);
    CHECK_EQ(info.si_status, 9);
    CHECK(kill(-child, 0) == -1 && errno == ESRCH);
    CHECK(setpgid(0, 4194303) == -1 && errno == EPERM);

    child = fork();
    if (child == 0) {
        CHECK_EQ(setsid(), getpid());
        CHECK_EQ(getsid(0), getpid());
        CHECK_EQ(getpgrp(), getpid());
        CHECK(setsid() == -1 && errno == EPERM);
        pid_t inner = fork();
        if (inner == 0) _exit(getsid(0) == getppid() ? 0 : 1);
        int status;
        CHECK_EQ(wait(&status), inner);
        _exit(WEXITSTATUS(status));
    }
    int status;
    CHECK_EQ(wait4(child, &status, 0, NULL), child);
    CHECK_EQ(status, 0);

    /* A session without its leader keeps its name, however many ids are given meanwhile. */
    CHECK(pipe(gate) == 0);
    int told_pipe[2];
    CHECK(pipe(told_pipe) == 0);
    child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            char c;
            setpgid(0, 0);
            close(gate[1]);
            pid_t me = getpid();
            write(told_pipe[1], &me, sizeof me);
            read(gate[0], &c, 1);
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(child, NULL, 0), child);
    pid_t member;
    CHECK_EQ(read(told_pipe[0], &member, sizeof member), sizeof member);
    for (int i = 0; i < 700; i++) {
        pid_t p = fork();
        if (p == 0) _exit(0);
        CHECK(p != child);
        CHECK_EQ(waitpid(p, NULL, 0), p);
    }
    CHECK_EQ(getsid(member), child);
    close(gate[1]);

    /* waitid leaves a zombie where it is told to. */
    child = fork();
    if (child == 0) _exit(4);
    memset(&info, 0, sizeof info);
    CHECK_EQ(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(kill(child, 0), 0);
    CHECK_EQ(waitpid(-1, &status, WNOHANG), child);
    CHECK_EQ(WEXITSTATUS(status), 4);

    pthread_t thread_id;
    void *tid;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(pthread_create(&thread_id, NULL, thread, NULL), 0);
        CHECK_EQ(pthread_kill(thread_id, 0), 0);
        CHECK_EQ(pthread_join(thread_id, &tid), 0);
    }

    /* A process in the same memory. */
    pid_t seen = 0;
    child = clone(threaded, stack + sizeof stack, CLONE_VM | SIGCHLD, &seen);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(seen, child);
    CHECK_EQ(getpid(), parent);

    /* Calls that name another task. */
    CHECK(pipe(gate) == 0);
    long secret = 42, copy = 0;
    child = fork();
    if (child == 0) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(0); }
    struct iovec local = {&copy, sizeof copy}, remote = {&secret, sizeof secret};
    CHECK_EQ(process_vm_readv(child, &local, 1, &remote, 1, 0), sizeof copy);
    CHECK_EQ(copy, 42);
    CHECK_EQ(setpriority(PRIO_PROCESS, child, 5), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, child), 5);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
    cpu_set_t set;
    CHECK_EQ(sched_getaffinity(child, sizeof set, &set), 0);
    CHECK(CPU_COUNT(&set) > 0);
    CHECK_EQ(sched_setaffinity(child, sizeof set, &set), 0);
    CHECK_EQ(sched_getscheduler(child), SCHED_OTHER);
    struct rlimit limit;
    CHECK_EQ(prlimit(child, RLIMIT_NOFILE, NULL, &limit), 0);
    CHECK(syscall(SYS_kcmp, getpid(), child, 1, 0, 0) != -1 || errno == EPERM);
    CHECK(syscall(SYS_ioprio_get, 1, child) >= 0);
    int fd = syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), 0);
    memset(&info, 0, sizeof info);
    CHECK_EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, child);
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK(sched_getscheduler(child) == -1 && errno == ESRCH);

    if (IN_POD) {
        CHECK(parent < 1000);
        CHECK(kill(1, 0) == 0);
    }
    return 0;
}
