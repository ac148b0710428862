/* Executing programs in every way: a program stays where it is, and gets the arguments and environment that it was given. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *self;
static char pod[256];

/* As a child: the arguments, whether it is in the pod, and its parent. */
static int child(int argc, char **argv) {
    const char *in = getenv("AUTOPOD_POD");
    const char *given = getenv("GIVEN");
    CHECK_EQ(strcmp(in ? in : "", argv[2]), 0);
    CHECK_EQ(getppid(), atoi(argv[3]));
    CHECK(strcmp(given ? given : "", argv[4]) == 0);
    for (int i = 5; i < argc; i++) CHECK_EQ(atoi(argv[i]), i);
    if (in) CHECK(getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "libautopod_shim"));
    return argc == 5 ? 50 : argc == 12 ? 57 : 1;
}

static void done(pid_t id, int expected) {
    int status;
    CHECK_EQ(waitpid(id, &status, 0), id);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), expected);
}

static void *waits(void *argument) {
    waitpid(*(pid_t *)argument, NULL, 0);
    return NULL;
}

static void *receives(void *argument) {
    struct { long type; char text; } message;
    msgrcv(*(int *)argument, &message, 1, 0, 0);
    return NULL;
}

#define RUN(expected, how) do { pid_t id = fork(); CHECK(id >= 0); if (id == 0) { how; _exit(99); } done(id, expected); } while (0)

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "child") == 0) return child(argc, argv);
    static char path[4096];
    CHECK(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    self = path;
    snprintf(pod, sizeof pod, "%s", getenv("AUTOPOD_POD") ? getenv("AUTOPOD_POD") : "");
    char parent[16];
    snprintf(parent, sizeof parent, "%d", getpid());
    char *few[] = {"x", "child", pod, parent, "", NULL};
    char *given[] = {"x", "child", pod, parent, "yes", NULL};
    char *env[] = {"GIVEN=yes", "A=b", NULL};
    char *none[] = {NULL};
    char *preload[] = {"LD_PRELOAD=/nonexistent.so", "GIVEN=yes", NULL};
    char *wrong[] = {"AUTOPOD_POD=another", "AUTOPOD_TABLE=/nonexistent", "GIVEN=yes", NULL};

    RUN(50, execve(self, few, none));
    RUN(50, execve(self, few, NULL));
    RUN(50, execve(self, given, env));
    RUN(50, execv(self, few));
    RUN(50, execvp(self, few));
    RUN(50, execvpe(self, given, env));
    RUN(50, execl(self, "x", "child", pod, parent, "", (char *)NULL));
    RUN(57, execl(self, "x", "child", pod, parent, "", "5", "6", "7", "8", "9", "10", "11", (char *)NULL));
    RUN(57, execle(self, "x", "child", pod, parent, "yes", "5", "6", "7", "8", "9", "10", "11", (char *)NULL, env));
    RUN(50, execle(self, "x", "child", pod, parent, "", (char *)NULL, none));
    RUN(50, execlp(self, "x", "child", pod, parent, "", (char *)NULL));
    RUN(50, { int fd = open(self, O_RDONLY | O_CLOEXEC); fexecve(fd, given, env); });
    RUN(50, syscall(SYS_execve, self, given, env));
    RUN(50, execveat(AT_FDCWD, self, given, env, 0));
    RUN(50, { clearenv(); execv(self, few); });
    if (*pod) {
        RUN(50, execve(self, given, wrong));
        RUN(50, { dup2(open("/dev/null", O_WRONLY), 2); execve(self, given, preload); });
    }
    /* An environment too large for a stack. */
    static char *large[3000];
    for (int i = 0; i < 2998; i++) large[i] = i == 1500 ? "GIVEN=yes" : "FILL=x";
    RUN(50, execve(self, given, large));
    CHECK(execve("/nonexistent", few, none) == -1 && errno == ENOENT);
    CHECK(execl("/nonexistent", "a", "b", "c", "d", "e", "f", (char *)NULL) == -1 && errno == ENOENT);
    CHECK(execvp("nonexistent-program", few) == -1 && errno == ENOENT);
    CHECK(execvp("/etc/passwd", few) == -1 && errno == EACCES);

    pid_t id = vfork();
    if (id == 0) { execve(self, given, env); _exit(99); }
    done(id, 50);
    CHECK_EQ(posix_spawn(&id, self, NULL, NULL, given, env), 0);
    done(id, 50);
    CHECK_EQ(posix_spawnp(&id, self, NULL, NULL, few, none), 0);
    done(id, 50);
    CHECK_EQ(posix_spawnp(&id, "true", NULL, NULL, (char *[]){"true", NULL}, none), 0);
    done(id, 0);
    CHECK_EQ(posix_spawn(&id, "/nonexistent", NULL, NULL, few, none), ENOENT);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    CHECK_EQ(posix_spawn(&id, "/bin/sleep", NULL, &attributes, (char *[]){"sleep", "100", NULL}, none), 0);
    CHECK_EQ(getpgid(id), id);
    posix_spawnattr_setpgroup(&attributes, id);
    pid_t second;
    CHECK_EQ(posix_spawn(&second, "/bin/sleep", NULL, &attributes, (char *[]){"sleep", "100", NULL}, none), 0);
    CHECK_EQ(getpgid(second), id);
    CHECK_EQ(killpg(id, SIGKILL), 0);
    CHECK_EQ(waitpid(id, NULL, 0), id);
    CHECK_EQ(waitpid(second, NULL, 0), second);

    CHECK_EQ(system("exit 3"), 3 << 8);
    CHECK(system(NULL) != 0);
    CHECK_EQ(system("kill -9 $$"), 9);
    signal(SIGINT, SIG_IGN);
    CHECK_EQ(system("exit 0"), 0);
    CHECK(signal(SIGINT, SIG_DFL) == SIG_IGN);
    char command[4200], line[64];
    snprintf(command, sizeof command, "echo $PPID $AUTOPOD_POD; exit 5");
    FILE *stream = popen(command, "r");
    CHECK(stream && fgets(line, sizeof line, stream));
    CHECK_EQ(atoi(line), getpid());
    CHECK(strstr(line, pod));
    FILE *other = popen("read x; test $x = hello", "w");
    CHECK(other);
    fputs("hello\n", other);
    CHECK_EQ(pclose(other), 0);
    CHECK_EQ(pclose(stream), 5 << 8);
    CHECK(popen("true", "x") == NULL && errno == EINVAL);

    /* A script without a first line is the shell's. */
    char script[] = "/tmp/names-script-XXXXXX";
    int fd = mkstemp(script);
    CHECK(write(fd, "test \"$1\" = one && exit 6\n", 26) == 26);
    fchmod(fd, 0755);
    close(fd);
    RUN(6, execlp(script, script, "one", (char *)NULL));
    CHECK(execve(script, few, none) == -1 && errno == ENOEXEC);
    unlink(script);

    /* Blocked in a hook, a thread can be cancelled. */
    pthread_t thread;
    id = fork();
    if (id == 0) { pause(); _exit(0); }
    CHECK_EQ(pthread_create(&thread, NULL, waits, &id), 0);
    usleep(20000);
    CHECK_EQ(pthread_cancel(thread), 0);
    void *result;
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    kill(id, SIGKILL);
    CHECK_EQ(waitpid(id, NULL, 0), id);
    int queue = msgget(IPC_PRIVATE, 0600);
    CHECK_EQ(pthread_create(&thread, NULL, receives, &queue), 0);
    usleep(20000);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQ(msgctl(queue, IPC_RMID, NULL), 0);
    return 0;
}
