// tries: make a terminal of the host's its own, by TIOCSCTTY with force, and open and write to it
// wall: the private /dev/pts (kernel names), capabilities
// control: both
// needs: terminal
#include "attack.h"
ATTACK
{
    long fd = sc(__NR_openat, AT(text("other_terminal")), O_RDWR | O_NOCTTY);
    if (attempt("open", fd)) attempt("write", sc(__NR_write, fd, "typed by an attacker", 20));
    if (sc(__NR_fork) == 0) {
        sc(__NR_setsid);
        if (fd >= 0) attempt("TIOCSCTTY", sc(__NR_ioctl, fd, 0x540e, 1));
        leave(0);
    }
    pause_ms(50);
}
