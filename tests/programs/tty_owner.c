// needs: root; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// Terminals given to another user with other permissions, opened several times, data in both directions, line half typed.
#include "harness.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    int m, s;
    OK(openpty(&m, &s, NULL, NULL, NULL));
    char name[64];
    OK(ioctl(m, TIOCGPTN, &(int){0}));
    strcpy(name, ttyname(s) ?: "?");
    int ro = OK(open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK)), wo = OK(open(name, O_WRONLY | O_NOCTTY));
    OK(fchown(s, 1234, 5678)), OK(fchmod(s, 0606));
    struct termios t;
    OK(tcgetattr(s, &t)), t.c_lflag &= ~ECHO, OK(tcsetattr(s, TCSANOW, &t));
    t_write(m, "whole line\nhalf", 15), t_write(wo, "output", 6);
    t_go();
    struct stat st;
    OK(fstat(s, &st)), EQ(st.st_uid, 1234), EQ(st.st_gid, 5678), EQ(st.st_mode & 07777, 0606);
    char b[32];
    EQ(OK(read(ro, b, 32)), 11), MEMEQ(b, "whole line\n", 11);
    FAILS(read(ro, b, 32), EAGAIN);
    t_write(m, " line\n", 6);
    EQ(OK(read(s, b, 32)), 10), MEMEQ(b, "half line\n", 10);
    t_read(m, b, 6), MEMEQ(b, "output", 6);
    t_pass();
}
