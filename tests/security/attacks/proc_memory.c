// tries: read and overwrite the memory of a process outside through /proc/PID/mem
// wall: the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    char path[64], data[33] = {0};
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        format(path, sizeof path, "/proc/%d/mem", number(who[w]));
        long fd = sc(__NR_openat, AT(path), O_RDWR);
        if (!attempt("open", fd)) continue;
        if (attempt("read", sc(__NR_pread64, fd, data, 32, number("address")))) say("%s", data);
        attempt("write", sc(__NR_pwrite64, fd, "gotcha", 6, number("address")));
    }
}
