// needs: any; names: any; row: "Task: name (comm)"
// Names with spaces, brackets, newlines and none at all, of processes and threads.
#include "harness.h"
#include <sys/prctl.h>
static const char *names[] = {"plain", "with space", "par) S (1", "new\nline", "", "fifteen chars!!", "t\xc3\xa4st"};
enum { N = 7 };
static void check(int i) {
    char b[17] = {0};
    OK(prctl(PR_GET_NAME, b));
    STREQ(b, names[i]);
}
static void *run(void *arg) {
    OK(prctl(PR_SET_NAME, names[(long)arg]));
    t_mark(t_text("t%ld", (long)arg));
    t_wait();
    check((long)arg);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pid_t pid[N];
    for (int i = 0; i < N; i++) {
        pid[i] = t_fork();
        if (pid[i]) continue;
        OK(prctl(PR_SET_NAME, names[i]));
        t_mark(t_text("p%d", i));
        t_wait();
        check(i);
        _exit(0);
    }
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (int i = 0; i < N; i++) t_await(t_text("p%d", i)), t_await(t_text("t%d", i));
    OK(prctl(PR_SET_NAME, "main thread"));
    t_go();
    STREQ(t_status("Name"), "main thread");
    for (int i = 0; i < N; i++) t_reap(pid[i]), PT(pthread_join(t[i], NULL));
    t_pass();
}
