// tries: move or drop the memory of a process outside: process_madvise, move_pages, migrate_pages, process_mrelease
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    void *page = (void *)(number("address") & ~4095);
    struct iovec range = {page, 4096};
    long fd = sc(__NR_pidfd_open, number("victim"), 0);
    if (fd >= 0) gain("process_madvise", sc(440, fd, &range, 1, 20 /* MADV_COLD */, 0));
    int status;
    gain("move_pages", sc(__NR_move_pages, number("victim"), 1, &page, 0, &status, 0));
    unsigned long node = 1;
    gain("migrate_pages", sc(__NR_migrate_pages, number("victim"), 2, &node, &node));
}
