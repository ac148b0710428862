// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// Terminals whose output is stopped, by the stop character and by tcflow, with output queued before and a writer that waits.
#include "harness.h"
#include <poll.h>
#include <pty.h>
#include <termios.h>
static bool writable(int fd) { return OK(poll(&(struct pollfd){fd, POLLOUT, 0}, 1, 0)) == 1; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m[3], s[3];
    for (int i = 0; i < 3; i++) {
        OK(openpty(&m[i], &s[i], NULL, NULL, NULL));
        struct termios t;
        OK(tcgetattr(s[i], &t)), t.c_lflag &= ~ECHO, t.c_iflag |= IXON, OK(tcsetattr(s[i], TCSANOW, &t));
        t_write(s[i], "before", 6);
        if (i == 0) t_write(m[i], "\x13", 1);
        if (i == 1) OK(tcflow(s[i], TCOOFF));
        while (i < 2 && writable(s[i])) t_ms(1);
    }
    t_write(m[0], "typed", 5);
    pid_t k[2];
    for (int i = 0; i < 2; i++) {
        k[i] = t_fork();
        if (!k[i]) {
            t_mark(t_text("k%d", i));
            t_write(s[i], "after", 5);
            t_mark(t_text("done%d", i));
            _exit(0);
        }
    }
    t_await("k0"), t_await("k1");
    t_ms(50);
    t_go();
    char b[16];
    CHECK(!writable(s[0])), CHECK(!writable(s[1])), CHECK(writable(s[2]));
    for (int i = 0; i < 3; i++) t_read(m[i], b, 6), MEMEQ(b, "before", 6);
    CHECK(!t_exists("done0")), CHECK(!t_exists("done1"));
    OK(tcflow(s[0], TCOON)), t_ms(20), CHECK(!writable(s[0])); // a character stopped it
    t_write(m[1], "\x11", 1), t_ms(20), CHECK(!writable(s[1])); // a call stopped it
    t_write(m[0], "\x11", 1), OK(tcflow(s[1], TCOON));
    for (int i = 0; i < 2; i++) t_reap(k[i]), t_read(m[i], b, 5), MEMEQ(b, "after", 5);
    t_write(m[0], "\n", 1), EQ(OK(read(s[0], b, 16)), 6), MEMEQ(b, "typed\n", 6);
    t_pass();
}
