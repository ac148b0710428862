/* More processes and threads than there are ids: ids come again, and never name two. Arguments: how many of each. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *thread(void *argument) {
    *(pid_t *)argument = gettid();
    return NULL;
}

int main(int argc, char **argv) {
    int forks = argc > 1 ? atoi(argv[1]) : 2000, workers = 3;
    pid_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t sleeper = fork();
    if (sleeper == 0) { pause(); _exit(0); }
    for (int worker = 0; worker < workers; worker++) {
        if (fork() > 0) continue;
        pid_t own = getpid(), last = 0;
        int wraps = 0;
        for (int i = 0; i < forks / workers; i++) {
            pid_t child = i % 4 == 3 ? vfork() : fork();
            if (child == 0) {
                if (i % 4 == 0) setsid();
                shared[worker] = getpid();
                _exit(getppid() == own ? 0 : 1);
            }
            int status;
            CHECK(child > 1 && child != own && child != sleeper);
            CHECK_EQ(waitpid(child, &status, 0), child);
            CHECK_EQ(status, 0);
            CHECK_EQ(shared[worker], child);
            wraps += child < last;
            last = child;
            if (i % 8 == 0) {
                pthread_t id;
                pid_t tid = 0;
                CHECK_EQ(pthread_create(&id, NULL, thread, &tid), 0);
                CHECK_EQ(pthread_join(id, NULL), 0);
                CHECK(tid > 1 && tid != own && tid != child && tid != sleeper);
                CHECK_EQ(gettid(), own);
            }
        }
        /* A pod gives ids below the host's pid_max. */
        FILE *limit = fopen("/proc/sys/kernel/pid_max", "r");
        int most = 0;
        CHECK_EQ(fscanf(limit, "%d", &most), 1);
        if (IN_POD && forks > most + 1000) CHECK(wraps > 0);
        _exit(0);
    }
    int status;
    for (int worker = 0; worker < workers; worker++) {
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
    CHECK_EQ(kill(sleeper, SIGTERM), 0);
    CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}
