// needs: any; names: any; row: "Descriptors: inotify (pending events)"
// Many watches: of files, directories, links themselves, once only, with masks added to, of deleted and renamed files; ids go on.
#include "harness.h"
#include <sys/inotify.h>
static int next(int fd, struct inotify_event *e) {
    static char b[8192];
    static long have, at;
    if (at >= have) {
        have = read(fd, b, sizeof b), at = 0;
        if (have < 0) return have = 0, -1;
    }
    memcpy(e, b + at, sizeof *e);
    at += sizeof *e + e->len;
    return 0;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int fd = OK(inotify_init1(IN_NONBLOCK)), wd[200];
    for (int i = 0; i < 200; i++) {
        char *name = t_text("w%03d", i);
        if (i % 2) OK(mkdir(name, 0755));
        else close(t_make_file(name, 1, 1));
        wd[i] = OK(inotify_add_watch(fd, name, i % 3 ? IN_ATTRIB : IN_ATTRIB | IN_ONESHOT));
    }
    OK(inotify_rm_watch(fd, wd[10])), wd[10] = 0;
    OK(symlink("w000", "link"));
    int link = OK(inotify_add_watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW));
    EQ(OK(inotify_add_watch(fd, "w001", IN_CREATE | IN_MASK_ADD)), wd[1]);
    OK(mkdir("moved", 0755));
    int moved = OK(inotify_add_watch(fd, "moved", IN_CREATE | IN_ONLYDIR | IN_EXCL_UNLINK));
    OK(rename("moved", "elsewhere"));
    int held = t_make_file("held", 1, 1), dead = OK(inotify_add_watch(fd, "held", IN_MODIFY));
    OK(unlink("held"));
    t_go();
    struct inotify_event e;
    OK(next(fd, &e)), EQ(e.mask, IN_IGNORED);
    FAILS(next(fd, &e), EAGAIN);
    for (int i = 0; i < 200; i++) {
        OK(chmod(t_text("w%03d", i), 0700));
        if (i == 10) {
            FAILS(next(fd, &e), EAGAIN);
            continue;
        }
        OK(next(fd, &e)), EQ(e.wd, wd[i]), EQ(e.mask & ~IN_ISDIR, IN_ATTRIB);
        if (i % 3 == 0) OK(next(fd, &e)), EQ(e.wd, wd[i]), EQ(e.mask, IN_IGNORED);
    }
    close(OK(open("w001/new", O_CREAT | O_WRONLY, 0600))), OK(next(fd, &e)), EQ(e.wd, wd[1]), EQ(e.mask, IN_CREATE);
    close(OK(open("elsewhere/new", O_CREAT | O_WRONLY, 0600))), OK(next(fd, &e)), EQ(e.wd, moved);
    OK(lchown("link", getuid(), getgid())), OK(next(fd, &e)), EQ(e.wd, link);
    t_write(held, "x", 1), OK(next(fd, &e)), EQ(e.wd, dead), EQ(e.mask, IN_MODIFY);
    close(held), OK(next(fd, &e)), EQ(e.mask, IN_IGNORED);
    FAILS(next(fd, &e), EAGAIN);
    EQ(OK(inotify_add_watch(fd, ".", IN_CREATE)), dead + 1);
    t_pass();
}
