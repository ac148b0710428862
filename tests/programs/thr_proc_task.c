// needs: any; names: any; row: "Task: name (comm)"
// /proc/self/task lists the threads under the ids and names they know themselves by.
#include "harness.h"
#include <dirent.h>
enum { N = 6 };
static pid_t tids[N];
static void *run(void *arg) {
    long i = (long)arg;
    PT(pthread_setname_np(pthread_self(), t_text("t-%ld", i)));
    tids[i] = gettid();
    t_mark(t_text("t%ld", i));
    t_wait();
    t_await("done");
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    pthread_t t[N];
    for (long i = 0; i < N; i++) t[i] = t_thread(run, i);
    for (long i = 0; i < N; i++) t_await(t_text("t%ld", i));
    t_go();
    int seen = 0;
    DIR *d = opendir("/proc/self/task");
    CHECK(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        int tid = atoi(e->d_name), known = tid == getpid();
        for (int i = 0; i < N; i++)
            if (tids[i] == tid) {
                known = 1;
                char name[32] = {0};
                int fd = OK(open(t_text("/proc/self/task/%d/comm", tid), O_RDONLY));
                OK(read(fd, name, 31));
                close(fd);
                STREQ(name, t_text("t-%d\n", i));
            }
        if (!known) FAIL("unknown thread %d", tid);
        seen++;
    }
    closedir(d);
    EQ(seen, N + 1);
    t_mark("done");
    for (int i = 0; i < N; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
