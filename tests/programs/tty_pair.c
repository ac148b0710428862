// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// A pty pair held by one process: termios, window size, data buffered both ways, name.
#include "harness.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    struct winsize w = {33, 101, 5, 6}, now;
    OK(openpty(&m, &s, NULL, NULL, &w));
    struct termios t, t2;
    OK(tcgetattr(s, &t));
    cfmakeraw(&t);
    t.c_cc[VMIN] = 3, t.c_cc[VTIME] = 9, t.c_cc[VINTR] = 7;
    cfsetspeed(&t, B19200);
    OK(tcsetattr(s, TCSANOW, &t));
    t_write(m, "keys", 4), t_write(s, "screen", 6);
    char name[64], name2[64];
    OK(ttyname_r(s, name, 64));
    t_go();
    OK(ioctl(m, TIOCGWINSZ, &now));
    MEMEQ(&now, &w, sizeof w);
    OK(tcgetattr(s, &t2));
    MEMEQ(&t2, &t, sizeof t);
    char b[16] = {0};
    EQ(OK(read(s, b, 16)), 4);
    MEMEQ(b, "keys", 4);
    EQ(OK(read(m, b, 16)), 6);
    MEMEQ(b, "screen", 6);
    OK(ttyname_r(s, name2, 64));
    STREQ(name2, name);
    STREQ(ptsname(m), name);
    t_write(s, "more", 4);
    EQ(OK(read(m, b, 16)), 4);
    int again = OK(open(name, O_RDWR | O_NOCTTY));
    close(s), close(again);
    struct pollfd p = {.fd = m, .events = POLLIN};
    EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLHUP);
    t_pass();
}
