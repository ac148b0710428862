/* What a call costs, in nanoseconds (the fastest of several rounds): run natively and in a pod, and compare. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int shm, sem;
static char *self;

static double now(void) {
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void b_getpid(void) { getpid(); }
static void b_gettid(void) { gettid(); }
static void b_getppid(void) { getppid(); }
static void b_kill(void) { kill(getpid(), 0); }
static void b_shmget(void) { shmget(0x7abc0123, 0, 0); }
static void b_semop(void) {
    struct sembuf up = {0, 1, 0};
    semop(sem, &up, 1);
    struct sembuf down = {0, -1, 0};
    semop(sem, &down, 1);
}
static void b_open(void) { close(open("/etc/passwd", O_RDONLY)); }
static void b_stat(void) { struct stat s; stat("/etc/passwd", &s); }
static void b_clock(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); }
static void *volatile sink;
static void b_malloc(void) { sink = malloc(100); free(sink); }
static void b_read(void) { char c; read(-1, &c, 1); }
static void b_fork(void) { pid_t p = fork(); if (p == 0) _exit(0); waitpid(p, NULL, 0); }
static void b_vfork(void) { pid_t p = vfork(); if (p == 0) _exit(0); waitpid(p, NULL, 0); }
static void b_exec(void) {
    pid_t p = fork();
    if (p == 0) { execl("/bin/true", "true", (char *)NULL); _exit(1); }
    waitpid(p, NULL, 0);
}
static void b_spawn(void) {
    pid_t p;
    char *argv[] = {"true", NULL};
    if (posix_spawn(&p, "/bin/true", NULL, NULL, argv, environ) == 0) waitpid(p, NULL, 0);
}
static void b_procstat(void) { char b[1024]; int fd = open("/proc/self/stat", O_RDONLY); read(fd, b, sizeof b); close(fd); }

static struct { const char *name; void (*call)(void); int count; } benches[] = {
    {"getpid", b_getpid, 2000000}, {"gettid", b_gettid, 2000000}, {"getppid", b_getppid, 500000}, {"kill(self,0)", b_kill, 300000},
    {"shmget", b_shmget, 300000}, {"semop", b_semop, 100000}, {"open+close", b_open, 50000}, {"stat", b_stat, 100000},
    {"clock_gettime", b_clock, 2000000}, {"malloc+free", b_malloc, 2000000}, {"read(-1)", b_read, 500000},
    {"fork+exit+wait", b_fork, 300}, {"vfork+exit+wait", b_vfork, 300}, {"fork+exec", b_exec, 100}, {"posix_spawn", b_spawn, 100},
    {"read /proc/self/stat", b_procstat, 2000},
};

int main(int argc, char **argv) {
    self = argv[0];
    (void)argc;
    int made = shmget(0x7abc0123, 4096, IPC_CREAT | 0600);
    shm = made;
    sem = semget(IPC_PRIVATE, 1, 0600);
    for (unsigned i = 0; i < sizeof benches / sizeof *benches; i++) {
        double best = 1e18;
        for (int round = 0; round < 7; round++) {
            double start = now();
            for (int n = 0; n < benches[i].count; n++) benches[i].call();
            double each = (now() - start) / benches[i].count;
            if (each < best) best = each;
        }
        printf("%s\t%.1f\n", benches[i].name, best);
    }
    shmctl(shm, IPC_RMID, NULL);
    semctl(sem, 0, IPC_RMID);
    return 0;
}
