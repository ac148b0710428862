// needs: any; names: any; row: "Task: interrupted system call"
// Pipes read and written, files opened, memory mapped, all the time: no call fails, no byte is lost.
#include "harness.h"
static volatile int stop;
static int p[2];
static long sent, got;
static void *writer(void *u) {
    for (; !stop; sent++) t_write(p[1], &sent, sizeof sent);
    long end = -1;
    t_write(p[1], &end, sizeof end);
    return NULL;
}
static void *reader(void *u) {
    for (long v;; got++) {
        t_read(p[0], &v, sizeof v);
        if (v == -1) return NULL;
        EQ(v, got);
    }
}
static void *mapper(void *u) {
    while (!stop) {
        char *m = t_map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        m[0] = m[15 * PAGE] = 5;
        OK(mprotect(m + PAGE, PAGE, PROT_READ));
        EQ(m[0] + m[15 * PAGE], 10);
        OK(munmap(m, 16 * PAGE));
        int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
        t_write(fd, "hello", 5);
        OK(close(fd));
    }
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(pipe(p));
    pthread_t t[] = {t_thread(writer, 0), t_thread(reader, 0), t_thread(mapper, 0), t_thread(mapper, 0)};
    t_go();
    t_ms(100);
    stop = 1;
    for (int i = 0; i < 4; i++) PT(pthread_join(t[i], NULL));
    EQ(got, sent);
    t_pass();
}
