// tries: use descriptors that whoever invoked autopod had open
// wall: init closes all but the standard ones
// control: both
#include "attack.h"
ATTACK
{
    for (int fd = 3; fd < 1024; fd++) {
        long flags = sc(__NR_fcntl, fd, F_GETFD);
        if (flags >= 0) show("an open descriptor", fd);
    }
    attempts++;
}
