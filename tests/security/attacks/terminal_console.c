// tries: paste into a console by TIOCLINUX, change the keyboard by KDSKBENT and the font, on terminals of its own and the console
// wall: seccomp, permissions of the host's /dev
// control: root
// needs: terminal
#include "attack.h"
ATTACK
{
    static const char *const paths[] = {"/dev/tty0", "/dev/console", "/dev/tty1"};
    char argument[16] = {3};
    for (int i = 0; i < 3; i++) {
        long fd = sc(__NR_openat, AT(paths[i]), O_RDWR | O_NOCTTY);
        if (fd >= 0) gain(paths[i], fd), sc(__NR_ioctl, fd, 0x541c /* TIOCLINUX */, argument);
        else attempt(paths[i], fd);
    }
    // On a pseudo terminal the kernel says ENOTTY; what counts is that it is not asked.
    attempt("TIOCLINUX", sc(__NR_ioctl, 0, 0x541c, argument));
}
