// The protocol between a self-verifying program and its runner.
//
//     program --daemon DIR         fork, setsid, the parent leaves; then as below
//     program --foreground DIR     the same without leaving
//
// The program makes DIR its working directory, sets its state up, writes DIR/ready (its pid) when done, waits for the go
// signal, verifies its state and writes DIR/result: "PASS" or "FAIL: file:line: what, expected and actual". Whatever happens
// to it between ready and go (nothing, a checkpoint, several restarts) it must find its state unchanged. The first result
// written counts, whichever process of the program writes it.
//
// The go signal is the file DIR/go. A program that must be blocked in the state under test has a child or thread poll for
// the file and unblock it; one whose header says `go: term` waits for SIGTERM instead.
//
// Processes of one program keep in step by mark files in DIR, so that nothing but the state under test is needed.
//
// The first line of a program is read by the runner, attributes separated by semicolons:
//     needs: root|any    root: the program needs privilege to set its state up
//     names: any|kernel  kernel: it names processes without libc (static, inline system calls), which the shim cannot reach
//     row: "..."         the row of the table of fidelity
// and, where needed,
//     go: term           the go signal is SIGTERM, not the file
//     start: foreground  it must not daemonize itself
//     flags: ...         more arguments for the compiler
//     expect: WORD       a checkpoint must be refused with a message that contains WORD, and the program be left unharmed
//     profile: none      the profile of the walls that it needs, if not the default one
//     slow               left out of the short run
//     huge: N            it uses N huge pages of 2 MB; the runner, if it is root, sees that the machine has them
#ifndef AUTOPOD_TEST_HARNESS_H
#define AUTOPOD_TEST_HARNESS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char t_dir[PATH_MAX];
static const char *t_file = "?";
static volatile int t_root_fd = -1; // a program that changes its root keeps DIR here

static int t_open(const char *name, int flags) {
    if (t_root_fd >= 0) return openat(t_root_fd, name, flags, 0666);
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", t_dir, name);
    return open(path, flags, 0666);
}

static bool t_exists(const char *name) {
    if (t_root_fd >= 0) return faccessat(t_root_fd, name, F_OK, 0) == 0;
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", t_dir, name);
    return access(path, F_OK) == 0;
}

static void t_result(const char *text) {
    mode_t mask = umask(0);
    int fd = t_open("result", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0) perror("result");
        close(fd);
    } else if (errno != EEXIST) perror(t_dir);
    umask(mask);
}

__attribute__((noreturn, format(printf, 2, 3))) static void t_fail(int line, const char *format, ...) {
    char text[4096], what[3500];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    snprintf(text, sizeof text, "FAIL: %s:%d: %s\n", t_file, line, what);
    t_result(text);
    _exit(1);
}

#define FAIL(...) t_fail(__LINE__, __VA_ARGS__)
// The condition holds.
#define CHECK(c)                                                                                                              \
    ({                                                                                                                        \
        if (!(c)) t_fail(__LINE__, "not true: %s (errno %d: %s)", #c, errno, strerror(errno));                                \
    })
// The call does not return -1; the value is what it returned.
#define OK(e)                                                                                                                 \
    ({                                                                                                                        \
        __typeof__(e) r_ = (e);                                                                                               \
        if (r_ == (__typeof__(r_))-1) t_fail(__LINE__, "%s: errno %d: %s", #e, errno, strerror(errno));                       \
        r_;                                                                                                                   \
    })
// Two integers are equal.
#define EQ(actual, expected)                                                                                                  \
    ({                                                                                                                        \
        long long a_ = (long long)(actual), e_ = (long long)(expected);                                                       \
        if (a_ != e_) t_fail(__LINE__, "%s: expected %lld (%#llx), actual %lld (%#llx)", #actual, e_, e_, a_, a_);            \
    })
// The call returns -1 with this errno.
#define FAILS(e, code)                                                                                                        \
    ({                                                                                                                        \
        errno = 0;                                                                                                            \
        long r_ = (long)(e);                                                                                                  \
        int n_ = errno;                                                                                                       \
        if (r_ != -1 || n_ != (code))                                                                                         \
            t_fail(__LINE__, "%s: expected -1 with errno %d, actual %ld with %d (%s)", #e, (code), r_, n_, strerror(n_));     \
    })
#define STREQ(actual, expected)                                                                                               \
    ({                                                                                                                        \
        const char *a_ = (actual), *e_ = (expected);                                                                          \
        if (strcmp(a_, e_)) t_fail(__LINE__, "%s: expected \"%s\", actual \"%s\"", #actual, e_, a_);                          \
    })
#define MEMEQ(actual, expected, len)                                                                                          \
    ({                                                                                                                        \
        const unsigned char *a_ = (const void *)(actual), *e_ = (const void *)(expected);                                     \
        for (size_t i_ = 0; i_ < (size_t)(len); i_++)                                                                         \
            if (a_[i_] != e_[i_]) t_fail(__LINE__, "%s: byte %zu: expected %#x, actual %#x", #actual, i_, e_[i_], a_[i_]);    \
    })
// pthread functions return their errno.
#define PT(e)                                                                                                                 \
    ({                                                                                                                        \
        int r_ = (e);                                                                                                         \
        if (r_) t_fail(__LINE__, "%s: errno %d: %s", #e, r_, strerror(r_));                                                   \
    })

__attribute__((unused)) static void t_ms(long ms) {
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&ts, &ts) && errno == EINTR);
}

// Says that something has happened; any process of the program may wait for it.
__attribute__((unused)) static void t_mark(const char *name) {
    mode_t mask = umask(0);
    int fd = t_open(name, O_WRONLY | O_CREAT | O_CLOEXEC);
    if (fd < 0) t_fail(__LINE__, "mark %s: %s", name, strerror(errno));
    close(fd);
    umask(mask);
}
__attribute__((unused)) static void t_await(const char *name) {
    while (!t_exists(name)) t_ms(10);
}
__attribute__((unused, format(printf, 1, 2))) static char *t_text(const char *format, ...) {
    static __thread char text[4][PATH_MAX];
    static __thread int next;
    char *to = text[next++ % 4];
    va_list ap;
    va_start(ap, format);
    vsnprintf(to, PATH_MAX, format, ap);
    va_end(ap);
    return to;
}

static void t_enter(const char *dir) {
    if (!realpath(dir, t_dir) || chdir(t_dir)) {
        perror(dir);
        _exit(2);
    }
}

__attribute__((unused)) static void t_start_named(const char *file, int argc, char **argv) {
    t_file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    if (argc < 3 || (strcmp(argv[1], "--daemon") && strcmp(argv[1], "--foreground"))) {
        fprintf(stderr, "usage: %s --daemon|--foreground DIR\n", argv[0]);
        _exit(2);
    }
    t_enter(argv[2]);
    if (!strcmp(argv[1], "--daemon")) {
        pid_t first = getpid(), pid = OK(fork());
        if (pid) _exit(0);
        while (getppid() == first) usleep(1000); // until it is adopted
        OK(setsid());
    }
    int in = OK(open("/dev/null", O_RDONLY)), out = OK(t_open("log", O_WRONLY | O_CREAT | O_APPEND));
    OK(dup2(in, 0));
    OK(dup2(out, 1));
    OK(dup2(out, 2));
    if (in > 2) close(in);
    if (out > 2) close(out);
    setvbuf(stdout, NULL, _IONBF, 0);
}
#define t_start(argc, argv) t_start_named(__FILE__, argc, argv)

__attribute__((unused)) static void t_ready(void) {
    int fd = OK(t_open("ready.new", O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC));
    OK(dprintf(fd, "%d\n", getpid()));
    close(fd);
    if (t_root_fd >= 0) OK(renameat(t_root_fd, "ready.new", t_root_fd, "ready"));
    else OK(rename(t_text("%s/ready.new", t_dir), t_text("%s/ready", t_dir)));
}
__attribute__((unused)) static void t_wait(void) { t_await("go"); }
// Set up: tell the runner and wait for the go signal.
__attribute__((unused)) static void t_go(void) {
    t_ready();
    t_wait();
}
__attribute__((unused, noreturn)) static void t_pass(void) {
    t_result("PASS\n");
    exit(0);
}

// A child that must end with status 0 (t_reap).
__attribute__((unused)) static pid_t t_fork(void) {
    pid_t pid = OK(fork());
    return pid;
}
__attribute__((unused)) static void t_reap_at(int line, pid_t pid, int expected) {
    int status = 0;
    pid_t got;
    do got = waitpid(pid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    if (got != pid) t_fail(line, "waitpid(%d): actual %d, %s", pid, got, strerror(errno));
    if (status != expected) t_fail(line, "child %d: expected wait status %#x, actual %#x", pid, expected, status);
}
#define t_reap(pid) t_reap_at(__LINE__, pid, 0)

// A child that waits for the go signal and then runs the statement: what unblocks a blocked parent.
#define t_kicker(statement)                                                                                                   \
    ({                                                                                                                        \
        pid_t k_ = OK(fork());                                                                                                \
        if (!k_) {                                                                                                            \
            t_wait();                                                                                                         \
            t_ms(50);                                                                                                         \
            statement;                                                                                                        \
            _exit(0);                                                                                                         \
        }                                                                                                                     \
        k_;                                                                                                                   \
    })

// Bytes that depend on position and seed, written and checked.
static inline unsigned char t_byte(size_t at, unsigned seed) {
    uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ull + seed * 0xbf58476d1ce4e5b9ull;
    x ^= x >> 29;
    return (unsigned char)(x >> ((at & 7) * 8));
}
__attribute__((unused)) static void t_fill(void *to, size_t len, unsigned seed) {
    for (size_t i = 0; i < len; i++) ((volatile unsigned char *)to)[i] = t_byte(i, seed);
}
__attribute__((unused)) static void t_same_at(int line, const void *at, size_t len, unsigned seed) {
    for (size_t i = 0; i < len; i++)
        if (((const volatile unsigned char *)at)[i] != t_byte(i, seed))
            t_fail(line, "pattern %u at %p+%#zx of %#zx: expected %#x, actual %#x", seed, at, i, len, t_byte(i, seed),
                   ((const unsigned char *)at)[i]);
}
#define t_same(at, len, seed) t_same_at(__LINE__, at, len, seed)
#define t_map(len, prot, flags) OK(mmap(NULL, len, prot, flags, -1, 0))
#define PAGE 4096ul

// The line of /proc/self/maps that holds an address.
typedef struct {
    unsigned long start, end, offset, inode;
    char perms[8], path[PATH_MAX], flags[256];
    unsigned long locked_kb, rss_kb, anonymous_kb;
} t_vma;
__attribute__((unused)) static bool t_vma_at(const void *address, t_vma *out) {
    FILE *f = fopen("/proc/self/smaps", "re");
    if (!f) t_fail(__LINE__, "/proc/self/smaps: %s", strerror(errno));
    char line[PATH_MAX + 200];
    bool inside = false, found = false;
    unsigned long a = (unsigned long)address, s, e;
    while (fgets(line, sizeof line, f)) {
        char p[8];
        if (sscanf(line, "%lx-%lx %7s", &s, &e, p) == 3) {
            if (found) break;
            inside = a >= s && a < e;
            if (inside) {
                memset(out, 0, sizeof *out);
                int n = 0;
                sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &out->start, &out->end, out->perms, &out->offset, &out->inode, &n);
                if (n) snprintf(out->path, sizeof out->path, "%s", line + n);
                out->path[strcspn(out->path, "\n")] = 0;
                found = true;
            }
        } else if (inside) {
            sscanf(line, "Locked: %lu", &out->locked_kb);
            sscanf(line, "Rss: %lu", &out->rss_kb);
            sscanf(line, "Anonymous: %lu", &out->anonymous_kb);
            if (!strncmp(line, "VmFlags:", 8)) {
                snprintf(out->flags, sizeof out->flags, "%s", line + 8);
                out->flags[strcspn(out->flags, "\n")] = 0;
            }
        }
    }
    fclose(f);
    return found;
}

// The value of a "Key: value" line in a file of /proc.
__attribute__((unused)) static char *t_field_at(int line_number, const char *path, const char *key) {
    static __thread char line[4096];
    FILE *f = fopen(path, "re");
    if (!f) t_fail(line_number, "%s: %s", path, strerror(errno));
    size_t n = strlen(key);
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, key, n) && line[n] == ':') {
            fclose(f);
            line[strcspn(line, "\n")] = 0;
            char *v = line + n + 1;
            return v + strspn(v, " \t");
        }
    fclose(f);
    t_fail(line_number, "%s has no line %s", path, key);
}
#define t_field(path, key) t_field_at(__LINE__, path, key)
#define t_status(key) t_field("/proc/self/status", key)

__attribute__((unused)) static double t_now(clockid_t clock) {
    struct timespec ts;
    OK(clock_gettime(clock, &ts));
    return ts.tv_sec + ts.tv_nsec / 1e9;
}
__attribute__((unused)) static void t_write(int fd, const void *data, size_t len) {
    for (size_t done = 0; done < len;) done += OK(write(fd, (const char *)data + done, len - done));
}
__attribute__((unused)) static void t_read_at(int line, int fd, void *data, size_t len) {
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, (char *)data + done, len - done);
        if (n <= 0) t_fail(line, "read of %zu bytes: after %zu: %zd (%s)", len, done, n, n ? strerror(errno) : "end of file");
        done += n;
    }
}
#define t_read(fd, data, len) t_read_at(__LINE__, fd, data, len)
// A file of the working directory with this many bytes of pattern.
__attribute__((unused)) static int t_make_file(const char *name, size_t len, unsigned seed) {
    int fd = OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
    char *b = malloc(len + 1);
    t_fill(b, len, seed);
    t_write(fd, b, len);
    free(b);
    return fd;
}
#define t_thread(start, arg)                                                                                                  \
    ({                                                                                                                        \
        pthread_t h_;                                                                                                         \
        PT(pthread_create(&h_, NULL, start, (void *)(arg)));                                                                  \
        h_;                                                                                                                   \
    })
#define t_gettid() ((pid_t)syscall(SYS_gettid))
#endif
