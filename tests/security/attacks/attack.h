// What all attacks share. An attack is a program without a C library: whatever it asks for, it asks the kernel, by its own
// instructions, so that no preloaded library can stand in between.
//
// First lines of an attack, `// key: value`:
//   tries     what it tries, in one line
//   wall      what is meant to hold it
//   control   who succeeds with it outside of any pod: root, user, both, none
//   unless    ERRNO reason: what the control may answer instead on kernels that lack the thing (or "always reason")
//   needs     pods (a control needs a neighbour pod, too), tree (harm is about files: meaningless on the host's own tree),
//             terminal, directory, file (what its input is: a terminal; a directory or file of the host's)
//
// Arguments are KEY=VALUE: what a real attacker would have found out (src/security/means.rs). It ends with
//   0  refused, after printing each refusal
//   1  harm was done
//   2  it could not try
//   3  the kernel did what was asked; whether harm came of it shows on the outside only
// Printing a secret of the outside is harm, too: the runner reads the output.
#ifndef ATTACK_H
#define ATTACK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/unistd.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#undef errno

#define AT(path) AT_FDCWD, (long)(path)

static long sc6(long n, long a, long b, long c, long d, long e, long f)
{
    long ret;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return ret;
}
#define SC_(n, a, b, c, d, e, f, ...) sc6((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sc(...) SC_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

// The compiler asks for these by itself.
__attribute__((used)) void *memset(void *to, int byte, size_t count)
{
    __asm__ volatile("rep stosb" : : "D"(to), "a"(byte), "c"(count) : "memory");
    return to;
}
__attribute__((used)) void *memcpy(void *to, const void *from, size_t count)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    return start;
}

static inline size_t length(const char *text)
{
    size_t n = 0;
    while (text[n]) n++;
    return n;
}
static inline int equal(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}
static inline int begins(const char *text, const char *with)
{
    while (*with && *text == *with) text++, with++;
    return !*with;
}

// %s, %d, %x
static int format_list(char *to, size_t size, const char *form, va_list list)
{
    size_t n = 0;
    for (; *form && n + 1 < size; form++) {
        if (*form != '%') { to[n++] = *form; continue; }
        char digits[24], *text = digits;
        form++;
        if (*form == 's') text = va_arg(list, char *);
        else {
            long value = va_arg(list, long);
            unsigned long rest = *form == 'd' && value < 0 ? -(unsigned long)value : (unsigned long)value;
            int base = *form == 'x' ? 16 : 10, at = 23;
            digits[at] = 0;
            do digits[--at] = "0123456789abcdef"[rest % base]; while (rest /= base);
            if (*form == 'd' && value < 0) digits[--at] = '-';
            text = digits + at;
        }
        while (*text && n + 1 < size) to[n++] = *text++;
    }
    to[n] = 0;
    return (int)n;
}
// Numbers are taken as long: cast what is narrower.
static inline int format(char *to, size_t size, const char *form, ...)
{
    va_list list;
    va_start(list, form);
    int n = format_list(to, size, form, list);
    va_end(list);
    return n;
}
static inline void say(const char *form, ...)
{
    char line[1024];
    va_list list;
    va_start(list, form);
    int n = format_list(line, sizeof line - 1, form, list);
    va_end(list);
    line[n++] = '\n';
    sc(__NR_write, 1, line, n);
}

static inline const char *errno_name(long e)
{
    static const struct { int number; const char *name; } names[] = {
        {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EINTR, "EINTR"}, {EIO, "EIO"}, {ENXIO, "ENXIO"}, {ENOEXEC, "ENOEXEC"},
        {EBADF, "EBADF"}, {ECHILD, "ECHILD"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EFAULT, "EFAULT"},
        {ENOTBLK, "ENOTBLK"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"}, {ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"},
        {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {ENFILE, "ENFILE"}, {EMFILE, "EMFILE"}, {ENOTTY, "ENOTTY"}, {ETXTBSY, "ETXTBSY"},
        {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {ENOSYS, "ENOSYS"}, {ELOOP, "ELOOP"}, {ENOMSG, "ENOMSG"}, {EIDRM, "EIDRM"},
        {EOPNOTSUPP, "EOPNOTSUPP"}, {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EPROTONOSUPPORT, "EPROTONOSUPPORT"}, {ECONNREFUSED, "ECONNREFUSED"},
        {ESTALE, "ESTALE"}, {ENOKEY, "ENOKEY"}, {ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"}, {ENOPROTOOPT, "ENOPROTOOPT"}, {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
        {ENODATA, "ENODATA"}, {EUSERS, "EUSERS"}, {ERANGE, "ERANGE"}, {EOVERFLOW, "EOVERFLOW"}, {ECONNRESET, "ECONNRESET"}, {EPIPE, "EPIPE"},
    };
    static char other[16];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == -e) return names[i].name;
    format(other, sizeof other, "%d", -e);
    return other;
}

static int attempts, carried_out, harmful;

static inline _Noreturn void leave(int status)
{
    for (;;) sc(__NR_exit_group, status);
}
static inline _Noreturn void cannot(const char *what, long e)
{
    say("could not try: %s: %s", what, e < 0 ? errno_name(e) : "no such means");
    leave(2);
}

// A call whose effect, if any, shows outside.
static inline int attempt(const char *what, long ret)
{
    attempts++;
    if (ret < 0) return say("%s: %s", what, errno_name(ret)), 0;
    carried_out++;
    return say("%s: done", what), 1;
}
// A call that must not work at all.
static inline int gain(const char *what, long ret)
{
    if (ret >= 0) harmful++;
    return attempt(what, ret);
}
// A call that must be refused before its arguments are looked at.
static inline int gate(const char *what, long ret)
{
    attempts++;
    say("%s: %s", what, ret < 0 ? errno_name(ret) : "done");
    if (ret == -EPERM || ret == -EACCES || ret == -ENOSYS) return 0;
    harmful++;
    return 1;
}

static char **arguments;
static inline const char *text_or(const char *key, const char *otherwise)
{
    for (char **a = arguments + 1; *a; a++)
        if (begins(*a, key) && (*a)[length(key)] == '=') return *a + length(key) + 1;
    return otherwise;
}
static inline const char *text(const char *key)
{
    const char *value = text_or(key, NULL);
    return value ? value : (cannot(key, 0), NULL);
}
static inline unsigned long number_in(const char *digits)
{
    unsigned long value = 0;
    while (*digits >= '0' && *digits <= '9') value = value * 10 + (*digits++ - '0');
    return value;
}
static inline long number(const char *key) { return (long)number_in(text(key)); }

// Prints what can be read from a descriptor or file: if a secret is in it, the runner sees it.
static inline void show(const char *what, long fd)
{
    char data[512];
    long n = fd < 0 ? fd : sc(__NR_pread64, fd, data, sizeof data - 1, 0);
    struct { int fd; short events, found; } ready = {(int)fd, 1 /* POLLIN */, 0};
    // a socket or queue of somebody else's may have nothing to say
    if (fd >= 0 && n < 0 && sc(__NR_poll, &ready, 1, 100) == 1) n = sc(__NR_read, fd, data, sizeof data - 1);
    if (!attempt(what, n)) return;
    for (long i = 0; i < n; i++)
        if (data[i] < ' ' || data[i] > '~') data[i] = ' ';
    data[n] = 0;
    say("read: %s", data);
}
static inline void show_file(const char *path)
{
    long fd = sc(__NR_openat, AT(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    show(path, fd);
    if (fd >= 0) sc(__NR_close, fd);
}
// A path in the directory that is the attacker's own.
static inline char *own(char *to, const char *name)
{
    format(to, 256, "%s/%s", text("dir"), name);
    return to;
}
static inline void pause_ms(long ms)
{
    struct { long s, ns; } t = {ms / 1000, ms % 1000 * 1000000};
    sc(__NR_nanosleep, &t, 0);
}
static inline long wait_for(long pid, int *status) { return sc(__NR_wait4, pid, status, 0x40000000 /* __WALL */, 0); }

static void attack(void);
__attribute__((used)) static void begin(long *stack)
{
    arguments = (char **)(stack + 1);
    sc(__NR_alarm, 10);
    attack();
    if (!attempts) cannot("nothing was attempted", 0);
    leave(harmful ? 1 : carried_out ? 3 : 0);
}
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");

#define ATTACK static void attack(void)
#endif
