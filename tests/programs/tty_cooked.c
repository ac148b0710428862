// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// Canonical mode: a whole line and a half line typed; the line editing goes on after.
#include "harness.h"
#include <pty.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    struct termios t;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    OK(tcgetattr(s, &t)), t.c_lflag &= ~ECHO, OK(tcsetattr(s, TCSANOW, &t));
    t_write(m, "whole line\nhalf lixx", 20);
    t_go();
    char b[64] = {0};
    EQ(OK(read(s, b, 64)), 11);
    MEMEQ(b, "whole line\n", 11);
    t_write(m, "\x7f\x7fne\n", 5);
    OK(fcntl(s, F_SETFL, O_NONBLOCK));
    t_ms(20);
    EQ(OK(read(s, b, 64)), 10);
    MEMEQ(b, "half line\n", 10);
    t_pass();
}
