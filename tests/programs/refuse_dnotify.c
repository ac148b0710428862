// needs: any; names: any; expect: F_NOTIFY; row: "Descriptors: owner and signal (F_SETOWN, F_SETSIG)"
// A directory that is watched by signals (dnotify).
#include "harness.h"
static volatile int hits;
static void handler(int s) { hits++; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    signal(SIGRTMIN + 1, handler);
    OK(mkdir("watched", 0755));
    int fd = OK(open("watched", O_RDONLY | O_DIRECTORY));
    OK(fcntl(fd, F_SETSIG, SIGRTMIN + 1));
    OK(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    t_go();
    close(OK(open("watched/new", O_WRONLY | O_CREAT, 0644)));
    for (int i = 0; i < 300 && !hits; i++) t_ms(10);
    EQ(hits, 1);
    t_pass();
}
