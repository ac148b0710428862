// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// Terminals with odd speeds, every control character changed, exclusive use, output stopped, packet mode, a master never unlocked.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
struct termios2_ { unsigned iflag, oflag, cflag, lflag; unsigned char line, cc[19]; unsigned ispeed, ospeed; };
#define TCGETS2_ 0x802c542a
#define TCSETS2_ 0x402c542b
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    struct termios2_ t, now;
    OK(ioctl(s, TCGETS2_, &t));
    t.cflag = (t.cflag & ~0x100f) | 0x1000 /* BOTHER */, t.ispeed = 12345, t.ospeed = 54321;
    for (int i = 0; i < 17; i++) t.cc[i] = 100 + i;
    t.cc[VMIN] = 3, t.cc[VTIME] = 7;
    t.lflag &= ~(ICANON | ECHO), t.lflag |= TOSTOP | NOFLSH;
    t.iflag |= IXON | IXANY | INLCR | IUTF8, t.oflag |= OLCUC | ONLCR;
    OK(ioctl(s, TCSETS2_, &t)), OK(ioctl(s, TCGETS2_, &t));
    struct winsize w = {33, 44, 55, 66}, ww;
    OK(ioctl(m, TIOCSWINSZ, &w)), OK(ioctl(s, TIOCEXCL));
    int one = 1;
    OK(ioctl(m, TIOCPKT, &one));
    int locked = OK(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)), lock, excl, num, num_now;
    OK(ioctl(locked, TIOCGPTN, &num));
    int slow_m, slow_s;
    OK(openpty(&slow_m, &slow_s, NULL, NULL, NULL));
    OK(tcflow(slow_s, TCOOFF));
    t_go();
    OK(ioctl(s, TCGETS2_, &now));
    MEMEQ(&now, &t, sizeof t);
    OK(ioctl(s, TIOCGWINSZ, &ww)), MEMEQ(&ww, &w, sizeof w);
    OK(ioctl(m, TIOCGEXCL, &excl)) , OK(ioctl(s, TIOCGEXCL, &excl)), EQ(excl, 1);
    OK(ioctl(m, TIOCGPKT, &one)), EQ(one, 1);
    OK(ioctl(locked, TIOCGPTLCK, &lock)), EQ(lock, 1);
    OK(ioctl(locked, TIOCGPTN, &num_now)), EQ(num_now, num);
    FAILS(open(t_text("/dev/pts/%d", num), O_RDWR | O_NOCTTY), EIO);
    OK(unlockpt(locked)), OK(open(t_text("/dev/pts/%d", num), O_RDWR | O_NOCTTY));
    OK(fcntl(slow_s, F_SETFL, O_NONBLOCK | O_RDWR));
    FAILS(write(slow_s, "x", 1), EAGAIN);
    OK(tcflow(slow_s, TCOON)), EQ(OK(write(slow_s, "x", 1)), 1);
    t_pass();
}
