// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// A master in packet mode, the slave locked state, exclusive mode, nonblocking flags.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s, on = 1, v;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    int locked = OK(posix_openpt(O_RDWR | O_NOCTTY));
    OK(ioctl(m, TIOCPKT, &on));
    struct termios t;
    OK(tcgetattr(s, &t)), cfmakeraw(&t), OK(tcsetattr(s, TCSANOW, &t));
    char drop[8];
    while (fcntl(m, F_SETFL, O_NONBLOCK), read(m, drop, 8) > 0) {}
    t_write(s, "data", 4);
    t_go();
    OK(ioctl(m, TIOCGPKT, &v));
    EQ(v, 1);
    char b[8];
    EQ(OK(read(m, b, 8)), 5);
    MEMEQ(b, "\0data", 5);
    CHECK(fcntl(m, F_GETFL) & O_NONBLOCK);
    OK(ioctl(locked, TIOCGPTLCK, &v));
    EQ(v, 1);
    OK(tcflush(s, TCIOFLUSH));
    CHECK(OK(read(m, b, 1)) == 1 && b[0] & (TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE));
    t_pass();
}
