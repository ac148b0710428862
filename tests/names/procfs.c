/* /proc shows the pod's processes under the pod's names. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char content[65536];

static char *slurp_at(int directory, const char *path) {
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    ssize_t len = read(fd, content, sizeof content - 1);
    CHECK(len >= 0);
    content[len] = 0;
    close(fd);
    return content;
}

static char *slurp(const char *format, long id) {
    char path[128];
    snprintf(path, sizeof path, format, id);
    return slurp_at(AT_FDCWD, path);
}

static long field(const char *text, const char *label) {
    const char *at = strstr(text, label);
    CHECK(at);
    return atol(at + strlen(label));
}

static void check_stat(const char *text, pid_t id, pid_t parent) {
    CHECK(text);
    int pid, ppid, pgrp, session, tty, tpgid;
    char state;
    CHECK_EQ(sscanf(text, "%d", &pid), 1);
    CHECK_EQ(sscanf(strrchr(text, ')') + 2, "%c %d %d %d %d %d", &state, &ppid, &pgrp, &session, &tty, &tpgid), 6);
    CHECK_EQ(pid, id);
    CHECK_EQ(ppid, parent);
    CHECK_EQ(pgrp, getpgid(id));
    CHECK_EQ(session, getsid(id));
}

static int lists(DIR *directory, long id) {
    CHECK(directory);
    int found = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)))
        found |= atol(entry->d_name) == id;
    closedir(directory);
    return found;
}

static int gate[2];

static void *thread(void *argument) {
    *(pid_t *)argument = gettid();
    char byte;
    write(gate[1], "x", 1);
    read(gate[0], &byte, 0);
    pause();
    return NULL;
}

int main(void) {
    pid_t own = getpid(), child = fork();
    char path[128], link[PATH_MAX], wanted[128];
    if (child == 0) { for (;;) pause(); }
    check_stat(slurp("/proc/%ld/stat", own), own, getppid());
    check_stat(slurp("/proc/self/stat", 0), own, getppid());
    check_stat(slurp("//proc/./self//stat", 0), own, getppid());
    check_stat(slurp("/proc/thread-self/stat", 0), own, getppid());
    check_stat(slurp("/proc/%ld/stat", child), child, own);
    char *status = slurp("/proc/%ld/status", child);
    CHECK_EQ(field(status, "\nPid:\t"), child);
    CHECK_EQ(field(status, "\nTgid:\t"), child);
    CHECK_EQ(field(status, "\nPPid:\t"), own);
    CHECK_EQ(field(status, "\nNSpid:\t"), child);
    CHECK_EQ(field(status, "\nNSsid:\t"), getsid(0));
    CHECK(slurp("/proc/%ld/stat", 4194303) == NULL && errno == ENOENT);
    CHECK_EQ(field(slurp("/proc/%ld/sched", child), " ("), child);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", own, own);
    if (slurp_at(AT_FDCWD, path)) CHECK_EQ(atol(content), child);

    FILE *file = fopen("/proc/self/status", "re");
    CHECK(file && fread(content, 1, sizeof content, file) > 0);
    CHECK_EQ(field(content, "\nPid:\t"), own);
    fclose(file);
    int raw = syscall(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY);
    CHECK(read(raw, content, sizeof content) > 0);
    CHECK_EQ(atol(content), own);
    close(raw);
    int first = dup(0);
    close(first);
    int fd = open("/proc/self/stat", O_RDONLY);
    CHECK_EQ(fd, first);
    close(fd);

    ssize_t len = readlink("/proc/self", link, sizeof link);
    CHECK(len > 0);
    link[len] = 0;
    CHECK_EQ(atol(link), own);
    CHECK(realpath("/proc/self", link));
    snprintf(wanted, sizeof wanted, "/proc/%d", own);
    CHECK(strcmp(link, wanted) == 0);
    char *allocated = realpath("/proc/self/task", NULL);
    snprintf(wanted, sizeof wanted, "/proc/%d/task", own);
    CHECK(allocated && strcmp(allocated, wanted) == 0);
    free(allocated);
    snprintf(path, sizeof path, "/proc/%d/exe", child);
    char exe[PATH_MAX];
    ssize_t other = readlink(path, exe, sizeof exe);
    CHECK(other > 0);
    len = readlink("/proc/self/exe", link, sizeof link);
    CHECK(len == other && memcmp(link, exe, len) == 0);

    struct dirent **entries;
    int count_of = scandir("/proc", &entries, NULL, alphasort), in_list = 0;
    CHECK(count_of > 10);
    for (int i = 0; i < count_of; i++) in_list += atol(entries[i]->d_name) == child;
    CHECK_EQ(in_list, 1);
    glob_t globbed;
    CHECK_EQ(glob("/proc/[0-9]*/stat", 0, NULL, &globbed), 0);
    snprintf(wanted, sizeof wanted, "/proc/%d/stat", child);
    in_list = 0;
    for (size_t i = 0; i < globbed.gl_pathc; i++) in_list += strcmp(globbed.gl_pathv[i], wanted) == 0;
    CHECK_EQ(in_list, 1);
    globfree(&globbed);
    in_list = 0;
    int listed = open("/proc", O_RDONLY | O_DIRECTORY);
    char raw_entries[4096];
    for (long got; (got = syscall(SYS_getdents64, listed, raw_entries, sizeof raw_entries)) > 0;)
        for (long at = 0; at < got; at += ((struct dirent *)(raw_entries + at))->d_reclen)
            in_list += atol(((struct dirent *)(raw_entries + at))->d_name) == child;
    CHECK_EQ(in_list, 1);
    close(listed);
    CHECK(lists(opendir("/proc"), own));
    CHECK(lists(opendir("/proc"), child));
    CHECK(!lists(opendir("/proc"), 4194303));
    int directory = open("/proc", O_RDONLY | O_DIRECTORY);
    check_stat((snprintf(path, sizeof path, "%d/stat", child), slurp_at(directory, path)), child, own);
    struct stat there;
    CHECK_EQ(fstatat(directory, (snprintf(path, sizeof path, "%d", own), path), &there, 0), 0);
    CHECK(fstatat(directory, "4194303", &there, 0) == -1 && errno == ENOENT);
    CHECK(lists(fdopendir(directory), child));
    CHECK_EQ(chdir("/proc"), 0);
    check_stat((snprintf(path, sizeof path, "%d/stat", child), slurp_at(AT_FDCWD, path)), child, own);
    CHECK_EQ(chdir("self"), 0);
    snprintf(wanted, sizeof wanted, "/proc/%d", own);
    CHECK(getcwd(link, sizeof link) && strcmp(link, wanted) == 0);
    check_stat(slurp_at(AT_FDCWD, "stat"), own, getppid());
    CHECK_EQ(chdir("/"), 0);

    CHECK(pipe(gate) == 0);
    pthread_t id;
    pid_t tid = 0;
    CHECK_EQ(pthread_create(&id, NULL, thread, &tid), 0);
    char byte;
    CHECK_EQ(read(gate[0], &byte, 1), 1);
    CHECK(lists(opendir("/proc/self/task"), tid));
    CHECK(lists(opendir("/proc/self/task"), own));
    CHECK(!lists(opendir("/proc"), tid));
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    CHECK(slurp_at(AT_FDCWD, path));
    CHECK_EQ(atol(content), tid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", own, tid);
    CHECK(slurp_at(AT_FDCWD, path));
    CHECK_EQ(field(content, "\nPid:\t"), tid);
    CHECK_EQ(field(content, "\nTgid:\t"), own);

    int pidfd = syscall(SYS_pidfd_open, child, 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    CHECK(slurp_at(AT_FDCWD, path));
    CHECK_EQ(field(content, "\nPid:\t"), child);
    if (IN_POD) {
        /* Nothing of the host: every process that is listed can be asked for its session or is the pod's init. */
        DIR *proc = opendir("/proc");
        int count = 0;
        for (struct dirent *entry; (entry = readdir(proc));)
            if (atol(entry->d_name) > 0) count++;
        closedir(proc);
        CHECK(count >= 3 && count < 8);
    }
    kill(child, SIGKILL);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK(slurp("/proc/%ld/stat", child) == NULL && errno == ENOENT);
    return 0;
}
