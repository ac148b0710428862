// needs: any; names: any; row: "Task: interrupted system call"
// Blocked in read of an empty pipe, write to a full one, readv, and splice.
#include "harness.h"
#include <sys/uio.h>
static int a[2], b[2], c[2], d[2], e[2];
static void *reads(void *u) {
    char x;
    t_read(a[0], &x, 1);
    EQ(x, 'a');
    CHECK(t_exists("go"));
    return NULL;
}
static void *readvs(void *u) {
    char x[2];
    struct iovec v[2] = {{x, 1}, {x + 1, 1}};
    EQ(OK(readv(c[0], v, 2)), 2);
    MEMEQ(x, "cd", 2);
    CHECK(t_exists("go"));
    return NULL;
}
static void *writes(void *u) {
    char buffer[5000];
    t_fill(buffer, sizeof buffer, 8);
    EQ(OK(write(b[1], buffer, sizeof buffer)), sizeof buffer);
    CHECK(t_exists("go"));
    return NULL;
}
static void *splices(void *u) {
    EQ(OK(splice(d[0], NULL, e[1], NULL, 100, 0)), 3);
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(pipe(a)), OK(pipe(b)), OK(pipe(c)), OK(pipe(d)), OK(pipe(e));
    int size = OK(fcntl(b[1], F_GETPIPE_SZ));
    char *full = malloc(size), x[5000];
    t_fill(full, size, 7);
    t_write(b[1], full, size);
    pthread_t t[] = {t_thread(reads, 0), t_thread(readvs, 0), t_thread(writes, 0), t_thread(splices, 0)};
    t_ms(50);
    t_go();
    t_write(a[1], "a", 1);
    t_write(c[1], "cd", 2);
    t_write(d[1], "xyz", 3);
    memset(full, 0, size);
    t_read(b[0], full, size);
    t_same(full, size, 7);
    t_read(b[0], x, sizeof x);
    t_same(x, sizeof x, 8);
    t_read(e[0], x, 3);
    MEMEQ(x, "xyz", 3);
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    t_pass();
}
