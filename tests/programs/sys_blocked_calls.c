// needs: any; names: any; row: "Task: interrupted system call"
// Threads blocked in many calls at once, which go on after: select, writes to full pipes, splice, tee, sendfile, eventfd, timerfd, inotify, signalfd.
#include "harness.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
enum { N = 11 };
static int p[N][2], q[N][2], event, timer, notify, sigfd;
static void *run(void *arg) {
    long i = (long)arg;
    char b[70000];
    memset(b, 'b', sizeof b);
    t_mark(t_text("t%ld", i));
    switch (i) {
    case 0: {
        fd_set r;
        FD_ZERO(&r);
        FD_SET(p[0][0], &r);
        EQ(OK(select(p[0][0] + 1, &r, NULL, NULL, NULL)), 1);
        break;
    }
    case 1: t_write(p[1][1], b, 70000); break; // more than the pipe holds; what interrupts it has it return what it has done
    case 2: EQ(OK(splice(p[2][0], NULL, q[2][1], NULL, 5, 0)), 5); break;
    case 3: EQ(OK(tee(p[3][0], q[3][1], 5, 0)), 5); break;
    case 4: {
        uint64_t v = ~0ull - 1;
        EQ(OK(write(event, &v, 8)), 8);
        break;
    }
    case 5: {
        uint64_t v;
        EQ(OK(read(timer, &v, 8)), 8);
        break;
    }
    case 6: CHECK(OK(read(notify, b, sizeof b)) > 0); break;
    case 7: {
        struct signalfd_siginfo si;
        EQ(OK(read(sigfd, &si, sizeof si)), (long)sizeof si);
        EQ(si.ssi_signo, SIGUSR1), EQ(si.ssi_int, 55);
        break;
    }
    case 8: {
        struct iovec { void *at; size_t len; } parts[2] = {{b, 3}, {b + 10, 4}};
        EQ(OK(syscall(SYS_readv, p[8][0], parts, 2)), 7);
        MEMEQ(b + 10, "defg", 4);
        break;
    }
    case 9: EQ(OK(splice(p[9][0], NULL, q[9][1], NULL, 1, 0)), 1); break; // the target is full
    case 10: {
        int f = OK(open("/proc/self/exe", O_RDONLY));
        EQ(OK(sendfile(q[10][1], f, NULL, 100)), 100); // the target is full
        break;
    }
    }
    t_mark(t_text("done%ld", i));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    sigset_t one;
    sigemptyset(&one), sigaddset(&one, SIGUSR1);
    OK(sigprocmask(SIG_BLOCK, &one, NULL));
    for (int i = 0; i < N; i++) OK(pipe(p[i])), OK(pipe(q[i]));
    event = OK(eventfd(5, 0)), timer = OK(timerfd_create(CLOCK_MONOTONIC, 0)), notify = OK(inotify_init()), sigfd = OK(signalfd(-1, &one, 0));
    OK(timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {10000, 0}}, NULL));
    OK(mkdir("watched", 0755));
    OK(inotify_add_watch(notify, "watched", IN_MOVED_TO));
    static char full[65536];
    t_write(q[9][1], full, 65536), t_write(q[10][1], full, 65536), t_write(p[9][1], "x", 1);
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < N; i++) t_await(t_text("t%d", i));
    t_ms(60);
    t_go();
    for (int i = 0; i < N; i++) CHECK(!t_exists(t_text("done%d", i)));
    char *b = malloc(70000);
    uint64_t v;
    t_write(p[0][1], "x", 1);
    t_read(p[1][0], b, 70000);
    t_write(p[2][1], "abcde", 5), t_read(q[2][0], b, 5), MEMEQ(b, "abcde", 5);
    t_write(p[3][1], "fghij", 5), t_read(q[3][0], b, 5), MEMEQ(b, "fghij", 5);
    EQ(OK(read(event, &v, 8)), 8), EQ(v, 5);
    OK(timerfd_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 1}}, NULL));
    close(t_make_file("a", 1, 1)), OK(rename("a", "watched/b"));
    OK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 55}));
    t_write(p[8][1], "abcdefg", 7);
    t_read(q[9][0], b, 65536), t_read(q[10][0], b, 65536);
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
