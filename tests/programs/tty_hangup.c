// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// A slave whose master is closed (reads end, writes fail), a master whose slave was closed with output left.
#include "harness.h"
#include <pty.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s, m2, s2;
    OK(openpty(&m, &s, NULL, NULL, NULL)), OK(openpty(&m2, &s2, NULL, NULL, NULL));
    signal(SIGHUP, SIG_IGN);
    close(m);
    t_write(s2, "left", 4), close(s2);
    t_go();
    char b[8];
    EQ(OK(read(s, b, 8)), 0);
    FAILS(write(s, "x", 1), EIO);
    EQ(OK(read(m2, b, 8)), 4);
    MEMEQ(b, "left", 4);
    FAILS(read(m2, b, 8), EIO);
    t_pass();
}
