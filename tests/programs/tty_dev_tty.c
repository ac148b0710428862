// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// /dev/tty held open by members of two sessions, each its own terminal; a terminal within a session on another; who gave up its terminal.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
static void session(int s, int i);
static void inner_session(int s) { session(s, 2); }
static void session(int s, int i) {
    OK(setsid()), OK(ioctl(s, TIOCSCTTY, 0));
    int tty = OK(open("/dev/tty", O_RDWR));
    close(s);
    struct winsize w = {(unsigned short)(20 + i), 80, 0, 0};
    OK(ioctl(tty, TIOCSWINSZ, &w));
    if (i == 0) {
        int m2, s2;
        OK(openpty(&m2, &s2, NULL, NULL, NULL));
        pid_t inner = t_fork();
        if (!inner) close(m2), inner_session(s2);
        close(s2);
        t_await("in2");
        t_mark("in0");
        char b[8];
        t_read(m2, b, 3);
        t_reap(inner);
    } else {
        t_mark(t_text("in%d", i));
        t_wait();
    }
    OK(ioctl(tty, TIOCGWINSZ, &w)), EQ(w.ws_row, 20 + i);
    int again = OK(open("/dev/tty", O_WRONLY));
    if (i == 1) {
        signal(SIGHUP, SIG_IGN), signal(SIGCONT, SIG_IGN);
        OK(ioctl(again, TIOCNOTTY));
        FAILS(open("/dev/tty", O_WRONLY), ENXIO);
    } else t_write(again, i ? "two" : "nul", 3);
    _exit(0);
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m[2], s[2];
    pid_t k[2];
    for (int i = 0; i < 2; i++) {
        OK(openpty(&m[i], &s[i], NULL, NULL, NULL));
        k[i] = t_fork();
        if (!k[i]) {
            for (int j = 0; j <= i; j++) close(m[j]);
            session(s[i], i);
        }
        close(s[i]);
    }
    t_await("in0"), t_await("in1");
    t_go();
    char b[8];
    t_read(m[0], b, 3), MEMEQ(b, "nul", 3);
    t_reap(k[0]), t_reap(k[1]);
    t_pass();
}
