// tries: read, fill and unlink POSIX message queues of the host and of another pod
// wall: the ipc namespace
// control: both
#include "attack.h"
ATTACK
{
    const char *const who[] = {"posix", "neighbour_posix"};
    for (int w = 0; w < 2; w++) {
        char data[8192];
        long fd = sc(__NR_mq_open, text(who[w]), O_RDWR | O_NONBLOCK, 0, 0);
        if (attempt("mq_open", fd)) {
            long n = sc(__NR_mq_timedreceive, fd, data, sizeof data, 0, 0);
            if (attempt("receive", n)) data[n < 100 ? n : 100] = 0, say("%s", data);
        }
        attempt("mq_unlink", sc(__NR_mq_unlink, text(who[w])));
    }
}
