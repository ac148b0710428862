// needs: any; names: any; row: "Descriptors: /proc files"
// Files of /proc about the program itself, open across: its memory, maps, tasks, descriptors.
#include "harness.h"
#include <dirent.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    static char word[16] = "before";
    int mem = OK(open("/proc/self/mem", O_RDWR)), pagemap = OK(open("/proc/self/pagemap", O_RDONLY));
    int maps = OK(open("/proc/self/maps", O_RDONLY)), cmdline = OK(open("/proc/self/cmdline", O_RDONLY));
    int comm = OK(open(t_text("/proc/self/task/%d/comm", t_gettid()), O_RDWR)), fds = OK(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    int up = OK(open("/proc/uptime", O_RDONLY)), mounts = OK(open("/proc/self/mountinfo", O_RDONLY)), limits = OK(open("/proc/self/limits", O_RDONLY));
    int auxv = OK(open("/proc/self/auxv", O_RDONLY)), sys = OK(open("/proc/sys/kernel/ostype", O_RDONLY));
    t_go();
    char b[4096];
    EQ(OK(pread(mem, b, 7, (off_t)word)), 7);
    STREQ(b, "before");
    EQ(OK(pwrite(mem, "after!", 7, (off_t)word)), 7);
    STREQ(word, "after!");
    uint64_t entry;
    EQ(OK(pread(pagemap, &entry, 8, (off_t)((unsigned long)word / PAGE * 8))), 8);
    CHECK(entry >> 63);
    CHECK(OK(read(maps, b, sizeof b)) > 100);
    long n = OK(read(cmdline, b, sizeof b));
    CHECK(n > 0);
    STREQ(b, argv[0]);
    t_write(comm, "renamed", 7);
    STREQ(t_status("Name"), "renamed");
    DIR *d = fdopendir(fds);
    int count = 0;
    while (readdir(d)) count++;
    CHECK(count >= 12);
    CHECK(OK(read(up, b, sizeof b)) > 3), CHECK(OK(read(mounts, b, sizeof b)) > 3), CHECK(OK(read(limits, b, sizeof b)) > 3);
    CHECK(OK(read(auxv, b, sizeof b)) > 3);
    EQ(OK(read(sys, b, sizeof b)), 6);
    t_pass();
}
