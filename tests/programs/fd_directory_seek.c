// needs: any; names: any; row: "Descriptors: regular, append, O_DIRECT, O_PATH, O_TMPFILE, deleted (with contents), renamed, directories mid-read"
// A directory half read, with remembered positions; a duplicate shares the position, another opening has its own.
#include "harness.h"
#include <dirent.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkdir("d", 0755));
    for (int i = 0; i < 300; i++) close(OK(open(t_text("d/a-rather-long-name-%03d", i), O_CREAT | O_WRONLY, 0600)));
    DIR *d = opendir("d");
    CHECK(d);
    long place[302];
    char names[302][64];
    int n = 0;
    for (struct dirent *e; place[n] = telldir(d), (e = readdir(d)); n++) strcpy(names[n], e->d_name);
    EQ(n, 302);
    seekdir(d, place[100]);
    int other = OK(open("d", O_RDONLY | O_DIRECTORY)), dup_fd = OK(dup(other));
    char raw[1000];
    long got = OK(syscall(SYS_getdents64, other, raw, sizeof raw));
    long where = OK(lseek(other, 0, SEEK_CUR));
    t_go();
    EQ(OK(lseek(dup_fd, 0, SEEK_CUR)), where);
    struct dirent *e;
    for (int i = 100; i < 302; i++) {
        e = readdir(d);
        CHECK(e);
        STREQ(e->d_name, names[i]);
    }
    CHECK(!readdir(d));
    seekdir(d, place[7]);
    e = readdir(d);
    CHECK(e);
    STREQ(e->d_name, names[7]);
    int seen = 0;
    for (long at = 0; at < got; at += *(unsigned short *)(raw + at + 16)) seen++;
    STREQ(raw + 19, names[0]);
    long more = OK(syscall(SYS_getdents64, dup_fd, raw, sizeof raw));
    CHECK(more > 0);
    STREQ(raw + 19, names[seen]);
    t_pass();
}
