// needs: any; names: any; flags: -lutil; row: "Descriptors: pty pairs with window size, termios, packet mode, buffered data, sessions"
// What terminals are called, asked in every way there is: three of them, of which the first is closed before and opened again after.
#include "harness.h"
#include <dirent.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

static int number_of(int master) {
    unsigned number = 77, again = 78;
    OK(ioctl(master, TIOCGPTN, &number));
    OK(syscall(SYS_ioctl, master, TIOCGPTN, &again));
    EQ(number, again);
    return (int)number;
}

static bool listed(int number) {
    DIR *dir = opendir("/dev/pts");
    CHECK(dir);
    bool found = false;
    for (struct dirent *e; (e = readdir(dir));) {
        CHECK(strcmp(e->d_name, "-1"));
        found |= e->d_name[0] >= '0' && e->d_name[0] <= '9' && atoi(e->d_name) == number;
    }
    closedir(dir);
    return found;
}

// Everything that names the terminal says `number`.
static void check(int master, int slave, int number) {
    char expected[64], name[64], link[64];
    snprintf(expected, sizeof expected, "/dev/pts/%d", number);
    EQ(number_of(master), number);
    STREQ(ptsname(master), expected);
    EQ(ptsname_r(master, name, sizeof name), 0);
    STREQ(name, expected);
    EQ(ptsname_r(master, name, 4), ERANGE);
    STREQ(ttyname(slave), expected);
    EQ(ttyname_r(slave, name, sizeof name), 0);
    STREQ(name, expected);
    EQ(ttyname_r(slave, name, 5), ERANGE);
    EQ(ptsname_r(slave, name, sizeof name), ENOTTY);
    snprintf(link, sizeof link, "/proc/self/fd/%d", slave);
    ssize_t len = OK(readlink(link, name, sizeof name));
    EQ(len, (ssize_t)strlen(expected));
    MEMEQ(name, expected, (size_t)len);
    memset(name, 0, sizeof name);
    EQ(OK(syscall(SYS_readlink, link, name, sizeof name)), len);
    STREQ(name, expected);
    char *real = realpath(link, NULL);
    CHECK(real);
    STREQ(real, expected);
    free(real);
    struct stat by_name, by_fd, raw;
    OK(stat(expected, &by_name)), OK(fstat(slave, &by_fd)), OK(syscall(SYS_fstat, slave, &raw));
    EQ(by_name.st_rdev, by_fd.st_rdev), EQ(raw.st_rdev, by_fd.st_rdev), EQ(by_name.st_ino, by_fd.st_ino);
    EQ(major(by_fd.st_rdev), 136u), EQ(minor(by_fd.st_rdev), (unsigned)number);
    struct statx all;
    OK(statx(AT_FDCWD, expected, 0, STATX_BASIC_STATS, &all));
    EQ(all.stx_rdev_minor, (unsigned)number);
    unsigned device = 0;
    OK(ioctl(slave, TIOCGDEV, &device));
    EQ(device, 136u << 8 | (unsigned)number);
    OK(access(expected, R_OK | W_OK));
    CHECK(listed(number));
    // by its name it is the terminal that the master has
    int fd = OK(open(expected, O_RDWR | O_NOCTTY));
    t_write(fd, "by name", 7);
    char b[16] = {0};
    EQ(OK(read(master, b, sizeof b)), 7);
    MEMEQ(b, "by name", 7);
    close(fd);
    fd = (int)OK(syscall(SYS_openat, AT_FDCWD, expected, O_RDWR | O_NOCTTY));
    struct stat now;
    OK(fstat(fd, &now));
    EQ(now.st_rdev, by_fd.st_rdev);
    close(fd);
}

static void raw_mode(int slave) {
    struct termios t;
    OK(tcgetattr(slave, &t));
    cfmakeraw(&t);
    OK(tcsetattr(slave, TCSANOW, &t));
}

int main(int argc, char **argv) {
    t_start(argc, argv);
    int first, first_slave, second, second_slave;
    char name[64];
    OK(openpty(&first, &first_slave, name, NULL, NULL));
    STREQ(name, ptsname(first));
    OK(openpty(&second, &second_slave, name, NULL, NULL));
    STREQ(name, ptsname(second));
    int third = OK(posix_openpt(O_RDWR | O_NOCTTY));
    OK(grantpt(third)), OK(unlockpt(third));
    int third_slave = OK(open(ptsname(third), O_RDWR | O_NOCTTY));
    raw_mode(second_slave), raw_mode(third_slave);
    int numbers[3] = {number_of(first), number_of(second), number_of(third)};
    CHECK(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
    check(second, second_slave, numbers[1]), check(third, third_slave, numbers[2]);
    OK(chmod(ptsname(third), 0602));
    // a child that the second controls
    int report[2], go[2];
    OK(pipe(report)), OK(pipe(go));
    pid_t child = OK(fork());
    if (child == 0) {
        setsid();
        close(go[1]);
        if (ioctl(second_slave, TIOCSCTTY, 0)) _exit(1);
        for (char c; read(go[0], &c, 1) == 1;) {
            char text[1024] = {0};
            int fd = open("/proc/self/stat", O_RDONLY), number = -1;
            if (read(fd, text, sizeof text - 1) <= 0) _exit(2);
            close(fd);
            sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %d", &number);
            if (write(report[1], &number, sizeof number) != sizeof number) _exit(3);
        }
        _exit(0);
    }
    int device;
    t_write(go[1], "x", 1);
    EQ(OK(read(report[0], &device, sizeof device)), (ssize_t)sizeof device);
    EQ(device, 136 << 8 | numbers[1]);
    close(first), close(first_slave);
    t_go();
    check(second, second_slave, numbers[1]), check(third, third_slave, numbers[2]);
    struct stat state;
    OK(fstat(third_slave, &state));
    EQ(state.st_mode & 07777, 0602u);
    t_write(go[1], "x", 1);
    EQ(OK(read(report[0], &device, sizeof device)), (ssize_t)sizeof device);
    EQ(device, 136 << 8 | numbers[1]);
    // the other ways to make one
    int controller;
    pid_t other = OK(forkpty(&controller, name, NULL, NULL));
    if (other == 0) {
        struct termios t;
        char *own = ttyname(0);
        tcgetattr(0, &t);
        cfmakeraw(&t);
        tcsetattr(0, TCSANOW, &t);
        if (!own || write(1, own, strlen(own)) < 0) _exit(1);
        char c;
        _exit(read(0, &c, 1) == 1 ? 0 : 2);
    }
    STREQ(ptsname(controller), name);
    struct stat own;
    OK(stat(name, &own));
    EQ(minor(own.st_rdev), (unsigned)number_of(controller));
    CHECK(number_of(controller) != numbers[1] && number_of(controller) != numbers[2]);
    char said[64] = {0};
    CHECK(OK(read(controller, said, sizeof said - 1)) > 0);
    STREQ(said, name);
    t_write(controller, "x", 1);
    int status;
    EQ(OK(waitpid(other, &status, 0)), other);
    EQ(status, 0);
    close(go[1]);
    EQ(OK(waitpid(child, &status, 0)), child);
    EQ(status, 0);
    close(controller);
    t_pass();
}
