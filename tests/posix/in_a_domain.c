// What programs do with files every day, and rules about files could get in the way of: each line that it prints is something that did
// not work. It makes its files in the directory of its argument.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CHECK(what) \
    do { \
        errno = 0; \
        if (!(what)) printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno)); \
    } while (0)

static int reopened(int fd, int how)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, how);
}

static void names(void)
{
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    CHECK(close(open("a/file", O_CREAT | O_RDWR, 0644)) == 0);
    CHECK(rename("a/file", "b/file") == 0);
    CHECK(link("b/file", "a/link") == 0);
    CHECK(symlink("../b/file", "a/symlink") == 0 && close(open("a/symlink", O_RDWR)) == 0);
    CHECK(mkdir("a/inner", 0755) == 0 && rename("a/inner", "b/inner") == 0);
    CHECK(mkfifo("a/fifo", 0644) == 0 && close(open("a/fifo", O_RDWR)) == 0 && rename("a/fifo", "b/fifo") == 0);
    CHECK(truncate("b/file", 10) == 0);
    int watch = inotify_init1(IN_CLOEXEC);
    CHECK(inotify_add_watch(watch, "b", IN_CREATE) > 0);
    CHECK(unlink("a/link") == 0 && rmdir("b/inner") == 0);
    // a deleted file and a deleted directory
    int deleted = open("a/deleted", O_CREAT | O_RDWR, 0644);
    CHECK(unlink("a/deleted") == 0 && close(reopened(deleted, O_RDWR)) == 0);
    CHECK(mkdir("gone", 0755) == 0);
    int gone = open("gone", O_RDONLY | O_DIRECTORY);
    CHECK(rmdir("gone") == 0 && close(reopened(gone, O_RDONLY)) == 0);
}

static void nameless(void)
{
    int ends[2], file = memfd_create("memory", 0);
    CHECK(close(reopened(file, O_RDWR)) == 0);
    CHECK(pipe(ends) == 0 && close(reopened(ends[0], O_RDONLY | O_NONBLOCK)) == 0 && close(reopened(ends[1], O_WRONLY)) == 0);
    int unnamed = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", unnamed);
    unlink("/dev/shm/named");
    CHECK(unnamed >= 0 && linkat(AT_FDCWD, path, AT_FDCWD, "/dev/shm/named", AT_SYMLINK_FOLLOW) == 0);
    CHECK(close(open("/dev/shm/named", O_RDWR)) == 0 && unlink("/dev/shm/named") == 0);
    CHECK(close(open("/proc/self/ns/pid", O_RDONLY)) == 0);
}

static void devices(void)
{
    CHECK(close(open("/dev/null", O_RDWR)) == 0 && close(open("/dev/urandom", O_RDONLY)) == 0);
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0, number = -1;
    CHECK(master >= 0 && ioctl(master, TIOCSPTLCK, &zero) == 0 && ioctl(master, TIOCGPTN, &number) == 0);
    char path[64];
    snprintf(path, sizeof path, "/dev/pts/%d", number);
    int slave = open(path, O_RDWR | O_NOCTTY);
    struct termios settings;
    CHECK(slave >= 0 && tcgetattr(slave, &settings) == 0 && tcsetattr(slave, TCSANOW, &settings) == 0);
    CHECK(close(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)) == 0);
}

static void sockets(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "b/socket"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(server, (void *)&address, sizeof address) == 0 && listen(server, 1) == 0);
    CHECK(rename("b/socket", "a/socket") == 0);
    strcpy(address.sun_path, "a/socket");
    CHECK(connect(client, (void *)&address, sizeof address) == 0);
}

// Programs by descriptor, and from memory.
static void programs(void)
{
    char *arguments[] = {"in_a_domain", "again", NULL}, *environment[] = {NULL};
    int own = open("/proc/self/exe", O_RDONLY), copy = memfd_create("program", 0);
    struct stat meta;
    CHECK(fstat(own, &meta) == 0 && copy >= 0);
    char *bytes = mmap(NULL, meta.st_size, PROT_READ, MAP_PRIVATE, own, 0);
    CHECK(pwrite(copy, bytes, meta.st_size, 0) == meta.st_size);
    int files[] = {own, reopened(copy, O_RDONLY)};
    close(copy);
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            fexecve(files[i], arguments, environment);
            _exit(errno);
        }
        int status = -1;
        CHECK(waitpid(pid, &status, 0) == pid);
        errno = WEXITSTATUS(status);
        if (status) printf("executing %s: %s\n", i ? "a program in memory" : "by descriptor", strerror(errno));
    }
}

// Message queues have no path, and are files all the same.
static void queues(void)
{
    mqd_t queue = mq_open("/in-a-domain", O_CREAT | O_RDWR, 0600, NULL);
    CHECK(queue >= 0);
    CHECK(mq_send(queue, "x", 1, 0) == 0);
    CHECK(access("/dev/mqueue/in-a-domain", R_OK) == 0);
    CHECK(mq_close(queue) == 0);
    CHECK(mq_unlink("/in-a-domain") == 0);
}

// A program may go on to hold itself: of sixteen domains, one in another, one is taken.
static void domains(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct landlock_ruleset_attr attributes = {.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR};
    struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_MAKE_DIR, .parent_fd = open("b", O_PATH)};
    int rules = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0), entered = 0;
    CHECK(syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0);
    while (entered < 16 && syscall(SYS_landlock_restrict_self, rules, 0) == 0) entered++;
    if (entered < 14) printf("only %d domains could be entered: %s\n", entered, strerror(errno));
    CHECK(mkdir("a/refused", 0755) < 0 && errno == EACCES);
    CHECK(mkdir("b/allowed", 0755) == 0);
}

int main(int count, char **arguments)
{
    if (count > 1 && !strcmp(arguments[1], "again")) return 0;
    if (count != 2 || mkdir(arguments[1], 0755) || chdir(arguments[1])) return perror("making the directory"), 2;
    names(), nameless(), devices(), sockets(), programs(), queues(), domains();
    puts("done");
    return 0;
}
