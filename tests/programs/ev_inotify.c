// needs: any; names: any; row: "Descriptors: inotify (pending events)"
// Watches of files and directories with their numbers and masks; events come after, watches can be removed.
#include "harness.h"
#include <sys/inotify.h>
static struct inotify_event *next(int fd) {
    static char b[4096] __attribute__((aligned(8)));
    OK(read(fd, b, sizeof b));
    return (void *)b;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755)), OK(mkdir("e", 0755));
    close(t_make_file("f", 10, 1));
    int fd = OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    int gone = OK(inotify_add_watch(fd, "e", IN_CREATE)), d = OK(inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE | IN_ONLYDIR)),
        f = OK(inotify_add_watch(fd, "f", IN_MODIFY | IN_ATTRIB));
    OK(inotify_rm_watch(fd, gone));
    next(fd); // IN_IGNORED
    t_go();
    char b[64];
    FAILS(read(fd, b, 64), EAGAIN);
    close(OK(open("d/new", O_CREAT | O_WRONLY, 0600)));
    struct inotify_event *e = next(fd);
    EQ(e->wd, d);
    EQ(e->mask, IN_CREATE);
    STREQ(e->name, "new");
    close(OK(open("e/new", O_CREAT | O_WRONLY, 0600)));
    FAILS(read(fd, b, 64), EAGAIN);
    int w = OK(open("f", O_WRONLY));
    t_write(w, "x", 1);
    e = next(fd);
    EQ(e->wd, f);
    EQ(e->mask, IN_MODIFY);
    OK(inotify_rm_watch(fd, d));
    e = next(fd);
    EQ(e->wd, d);
    EQ(e->mask, IN_IGNORED);
    int n = OK(inotify_add_watch(fd, "e", IN_DELETE));
    CHECK(n > f);
    t_pass();
}
