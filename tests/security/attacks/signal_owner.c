// tries: have the kernel send SIGIO to processes outside: F_SETOWN, F_SETOWN_EX, FIOSETOWN
// wall: the pid namespace, Landlock's signal scope
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"victim", "neighbour", "supervisor"};
    for (int w = 0; w < 3; w++) {
        for (int way = 0; way < 4; way++) {
            int pair[2], pid = (int)number(who[w]);
            struct { int type, pid; } owner = {way == 2 ? 0 : 1, pid};
            if (sc(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, pair) < 0) cannot("socketpair", -1);
            long set = way == 0   ? sc(__NR_fcntl, pair[0], F_SETOWN, pid)
                       : way == 3 ? sc(__NR_ioctl, pair[0], 0x8901 /* FIOSETOWN */, &pid)
                                  : sc(__NR_fcntl, pair[0], F_SETOWN_EX, &owner);
            if (!attempt("owner", set)) continue;
            sc(__NR_fcntl, pair[0], F_SETSIG, SIGUSR1);
            sc(__NR_fcntl, pair[0], F_SETFL, O_ASYNC);
            sc(__NR_write, pair[1], "x", 1);
        }
    }
}
