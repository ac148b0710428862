// tries: type into the invoking terminal by TIOCSTI
// wall: seccomp
// control: root
// unless: EIO,EPERM dev.tty.legacy_tiocsti is off on this machine
// needs: terminal
#include "attack.h"
ATTACK
{
    for (int fd = 0; fd < 3; fd++) attempt("TIOCSTI", sc(__NR_ioctl, fd, 0x5412, "!"));
    long fd = sc(__NR_openat, AT("/dev/tty"), O_RDWR);
    attempt("TIOCSTI", fd < 0 ? fd : sc(__NR_ioctl, fd, 0x5412, "!"));
    fd = sc(__NR_openat, AT(text("terminal")), O_RDWR | O_NOCTTY);
    attempt("TIOCSTI", fd < 0 ? fd : sc(__NR_ioctl, fd, 0x5412, "!"));
    // The kernel takes the command's lower half only, filters may not.
    attempt("TIOCSTI with a high half", sc(__NR_ioctl, 0, 0x100005412, "!"));
}
