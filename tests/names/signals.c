/* Who sent a signal, wherever a program may learn it. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t sender, code, value, count, child_sender;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)signal; (void)context;
    sender = info->si_pid;
    code = info->si_code;
    value = info->si_value.sival_int;
    count++;
}

static void on_child(int signal, siginfo_t *info, void *context) {
    (void)signal; (void)context;
    child_sender = info->si_pid;
}

static void plain(int signal) { (void)signal; count++; }

static pid_t from_child(int how) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        union sigval v = {.sival_int = 33};
        int failed = how == 0 ? kill(parent, SIGUSR1) : how == 1 ? sigqueue(parent, SIGUSR1, v) : tgkill(parent, parent, SIGUSR1);
        _exit(failed ? 1 : 0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    return child;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_sigaction == on_signal && old.sa_flags & SA_SIGINFO);
    for (int how = 0; how < 3; how++) {
        count = 0;
        pid_t child = from_child(how);
        CHECK_EQ(count, 1);
        CHECK_EQ(sender, child);
        CHECK_EQ(code, how == 0 ? SI_USER : how == 1 ? SI_QUEUE : SI_TKILL);
        if (how == 1) CHECK_EQ(value, 33);
    }
    raise(SIGUSR1);
    CHECK_EQ(sender, getpid());
    CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ(sender, getpid());
    union sigval v = {.sival_int = 5};
    CHECK_EQ(pthread_sigqueue(pthread_self(), SIGUSR1, v), 0);
    CHECK_EQ(sender, getpid());
    CHECK_EQ(value, 5);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(sender, getpid());
    siginfo_t own = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    own.si_pid = getpid();
    own.si_uid = getuid();
    sender = 0;
    CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &own), 0);
    CHECK_EQ(sender, getpid());
    sender = 0;
    CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &own), 0);
    CHECK_EQ(sender, getpid());
    int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    sender = 0;
    CHECK_EQ(syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, &own, 0), 0);
    CHECK_EQ(sender, getpid());
    CHECK_EQ(own.si_pid, getpid());
    close(pidfd);
    CHECK(sigqueue(4194303, SIGUSR1, v) == -1 && errno == ESRCH);

    /* What was there before is the program's handler, by every function that says so. */
    CHECK(signal(SIGUSR1, plain) == (void (*)(int))on_signal);
    count = 0;
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    CHECK(old.sa_handler == plain && !(old.sa_flags & SA_SIGINFO));
    CHECK_EQ(siginterrupt(SIGUSR1, 1), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_sigaction == on_signal && !(old.sa_flags & SA_RESTART));
    action.sa_flags |= SA_RESETHAND;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
    CHECK(sigaction(65, &action, NULL) == -1 && errno == EINVAL);

    action.sa_sigaction = on_child;
    action.sa_flags = SA_SIGINFO;
    CHECK_EQ(sigaction(SIGCHLD, &action, NULL), 0);
    pid_t child = fork();
    if (child == 0) _exit(0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK_EQ(child_sender, child);
    signal(SIGCHLD, SIG_DFL);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGUSR1);
    siginfo_t info;
    child = from_child(1);
    CHECK_EQ(sigwaitinfo(&only, &info), SIGUSR1);
    CHECK_EQ(info.si_pid, child);
    child = from_child(0);
    struct timespec second = {1, 0};
    CHECK_EQ(sigtimedwait(&only, &info, &second), SIGUSR1);
    CHECK_EQ(info.si_pid, child);
    child = from_child(0);
    CHECK_EQ(syscall(SYS_rt_sigtimedwait, &only, &info, &second, 8), SIGUSR1);
    CHECK_EQ(info.si_pid, child);

    int fd = signalfd(-1, &only, SFD_CLOEXEC);
    CHECK(fd >= 0);
    child = from_child(0);
    struct signalfd_siginfo record;
    CHECK_EQ(read(fd, &record, sizeof record), sizeof record);
    CHECK_EQ(record.ssi_pid, child);
    int copy = dup(fd);
    child = from_child(1);
    CHECK_EQ(read(copy, &record, sizeof record), sizeof record);
    CHECK_EQ(record.ssi_pid, child);
    CHECK_EQ(record.ssi_int, 33);

    /* kill(-1) reaches the pod's others and nobody else; natively nobody may try that. */
    if (IN_POD) {
        pid_t victims[3];
        for (int i = 0; i < 3; i++) {
            victims[i] = fork();
            if (victims[i] == 0) { sigprocmask(SIG_UNBLOCK, &set, NULL); pause(); _exit(1); }
        }
        CHECK_EQ(kill(-1, SIGUSR1), 0);
        for (int i = 0; i < 3; i++) {
            int status;
            CHECK_EQ(waitpid(victims[i], &status, 0), victims[i]);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
        }
        CHECK(kill(-1, 0) == -1 && errno == ESRCH);
    }
    return 0;
}
