// tries: signal a process outside through a pidfd
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        char path[64];
        long fd = sc(__NR_pidfd_open, number(who[w]), 0);
        if (attempt("pidfd_open", fd)) attempt("pidfd_send_signal", sc(__NR_pidfd_send_signal, fd, SIGTERM, 0, 0));
        format(path, sizeof path, "/proc/%s", text(who[w]));
        fd = sc(__NR_openat, AT(path), O_RDONLY | O_DIRECTORY);
        if (attempt(path, fd)) attempt("pidfd_send_signal", sc(__NR_pidfd_send_signal, fd, SIGTERM, 0, 0));
    }
}
