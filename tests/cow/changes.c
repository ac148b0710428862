/* Changes a tree in every way there is, holds some of it open, and tells later whether all is still so. In the directory /data of a pod. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BIG (100L << 20)

static char wrong[4096];

static void say(const char *format, ...)
{
    va_list arguments;
    size_t have = strlen(wrong);
    va_start(arguments, format);
    vsnprintf(wrong + have, sizeof wrong - have, format, arguments);
    va_end(arguments);
}

#define DO(call) do { if ((long)(call) < 0) { say("%s: %s; ", #call, strerror(errno)); } } while (0)
#define IS(condition) do { if (!(condition)) say("not so: %s; ", #condition); } while (0)

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        say("writing %s: %s; ", name, strerror(errno));
    close(fd);
}

static int has(const char *name, const char *text)
{
    char buffer[256] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    close(fd);
    return n == (ssize_t)strlen(text) && memcmp(buffer, text, n) == 0;
}

static void tell(const char *name)
{
    put("verdict.new", wrong[0] ? wrong : "good");
    rename("verdict.new", name);
}

int main(void)
{
    struct stat a, b;
    char value[16] = "";
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    struct sockaddr_un address = {AF_UNIX, "socket"};
    int renames, open_file, deleted, sock;
    char *mapped;

    umask(0);
    if (chdir("/data"))
        return 1;
    /* the tree has: one two three sub/x ren/y ren/deep/z many/[0-9] */
    DO(unlink("one"));
    put("two", "changed");
    DO(chmod("three", 04711));
    DO(unlink("sub/x"));
    DO(rmdir("sub"));
    DO(mkdir("sub", 0750));
    put("sub/new", "new");
    renames = rename("ren", "renamed") == 0;
    if (!renames)
        IS(errno == EXDEV);
    DO(rename("many/1", "many/moved"));
    DO(link("two", "linked"));
    DO(mkdir("closed", 0700));
    put("closed/inner", "inner");
    DO(link("closed/inner", "linked2"));
    DO(mkfifo("fifo", 0620));
    DO(symlink("two", "link"));
    DO(symlink("/nowhere/at/all", "dangling"));
    DO(sock = socket(AF_UNIX, SOCK_STREAM, 0));
    DO(bind(sock, (struct sockaddr *)&address, sizeof address));
    close(sock);
    int sparse = open("sparse", O_RDWR | O_CREAT, 0600);
    DO(ftruncate(sparse, BIG));
    DO(pwrite(sparse, "middle", 6, BIG / 2));
    close(sparse);
    put("attributes", "");
    DO(setxattr("attributes", "user.color", "green", 5, 0));
    DO(setxattr("sub", "user.of", "a directory", 11, 0));
    put("times", "");
    DO(utimensat(AT_FDCWD, "times", times, 0));
    DO(open_file = open("held", O_RDWR | O_CREAT | O_APPEND, 0600));
    DO(write(open_file, "held", 4));
    DO(deleted = open("deleted", O_RDWR | O_CREAT, 0600));
    DO(write(deleted, "deleted", 7));
    DO(unlink("deleted"));
    int map_file = open("mapped", O_RDWR | O_CREAT, 0600);
    DO(ftruncate(map_file, 8192));
    mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, map_file, 0);
    DO(mapped == MAP_FAILED ? -1 : 0);
    close(map_file);
    strcpy(mapped + 5000, "through memory");
    DO(chmod("closed", 0));
    tell("ready");

    while (access("go", F_OK))
        usleep(10000);
    wrong[0] = 0;
    IS(access("one", F_OK) == -1 && errno == ENOENT);
    IS(has("two", "changed") && has("linked", "changed") && has("link", "changed"));
    IS(stat("two", &a) == 0 && stat("linked", &b) == 0 && a.st_ino == b.st_ino && a.st_nlink == 2);
    IS(stat("three", &a) == 0 && (a.st_mode & 07777) == 04711 && has("three", "3\n"));
    IS(access("sub/x", F_OK) == -1 && has("sub/new", "new"));
    IS(stat("sub", &a) == 0 && (a.st_mode & 07777) == 0750);
    if (renames)
        IS(access("ren", F_OK) == -1 && has("renamed/y", "y\n") && has("renamed/deep/z", "z\n"));
    else
        IS(has("ren/y", "y\n") && has("ren/deep/z", "z\n"));
    IS(access("many/1", F_OK) == -1 && has("many/moved", "1\n") && has("many/2", "2\n"));
    IS(stat("closed", &a) == 0 && (a.st_mode & 07777) == 0);
    DO(chmod("closed", 0700));
    IS(has("closed/inner", "inner") && has("linked2", "inner"));
    IS(stat("closed/inner", &a) == 0 && stat("linked2", &b) == 0 && a.st_ino == b.st_ino);
    IS(lstat("fifo", &a) == 0 && S_ISFIFO(a.st_mode) && (a.st_mode & 0777) == 0620);
    IS(lstat("socket", &a) == 0 && S_ISSOCK(a.st_mode));
    IS(readlink("dangling", value, sizeof value) == 15 && memcmp(value, "/nowhere/at/all", 15) == 0);
    sparse = open("sparse", O_RDONLY);
    IS(fstat(sparse, &a) == 0 && a.st_size == BIG && a.st_blocks < 10000);
    memset(value, 0, sizeof value);
    IS(pread(sparse, value, 8, BIG / 2 - 1) == 8 && memcmp(value, "\0middle", 8) == 0);
    IS(getxattr("attributes", "user.color", value, sizeof value) == 5 && memcmp(value, "green", 5) == 0);
    IS(getxattr("sub", "user.of", value, sizeof value) == 11);
    IS(stat("times", &a) == 0 && a.st_mtime == 2000 && a.st_mtim.tv_nsec == 7 && a.st_atime == 1000);
    DO(write(open_file, "+", 1));
    IS(has("held", "held+"));
    IS(pread(deleted, value, 7, 0) == 7 && memcmp(value, "deleted", 7) == 0 && access("deleted", F_OK) == -1);
    IS(strcmp(mapped + 5000, "through memory") == 0);
    map_file = open("mapped", O_RDONLY);
    memset(value, 0, sizeof value);
    IS(pread(map_file, value, 15, 5000) == 15 && memcmp(value, "through memory", 15) == 0);
    tell("verdict");
    for (;;)
        pause();
}
