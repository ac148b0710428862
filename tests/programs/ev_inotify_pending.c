// needs: any; names: any; row: "Descriptors: inotify (pending events)"
// Events not yet read: they are there afterwards, in order, with names and cookies that pair.
#include "harness.h"
#include <sys/inotify.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755));
    int fd = OK(inotify_init1(IN_NONBLOCK)), wd = OK(inotify_add_watch(fd, "d", IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE));
    close(OK(open("d/a", O_CREAT | O_WRONLY, 0600)));
    OK(rename("d/a", "d/bb"));
    OK(unlink("d/bb"));
    t_go();
    static const struct {
        uint32_t mask;
        const char *name;
    } want[] = {{IN_CREATE, "a"}, {IN_MOVED_FROM, "a"}, {IN_MOVED_TO, "bb"}, {IN_DELETE, "bb"}};
    char b[4096] __attribute__((aligned(8)));
    long n = OK(read(fd, b, sizeof b)), at = 0;
    uint32_t cookie = 0;
    for (int i = 0; i < 4; i++) {
        if (at >= n) FAIL("only %d events", i);
        struct inotify_event *e = (void *)(b + at);
        EQ(e->wd, wd);
        EQ(e->mask, want[i].mask);
        STREQ(e->name, want[i].name);
        if (i == 1) cookie = e->cookie;
        if (i == 2) EQ(e->cookie, cookie);
        at += sizeof *e + e->len;
    }
    EQ(at, n);
    t_pass();
}
