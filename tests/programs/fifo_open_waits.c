// needs: any; names: any; row: "Task: interrupted system call"
// Threads that wait in open(2) of a fifo for the other end go on waiting.
#include "harness.h"
static void *reader(void *arg) {
    t_mark("r");
    int fd = OK(open("r.fifo", O_RDONLY));
    char b[4];
    t_read(fd, b, 4);
    MEMEQ(b, "data", 4);
    return NULL;
}
static void *writer(void *arg) {
    t_mark("w");
    int fd = OK(open("w.fifo", O_WRONLY));
    t_write(fd, "back", 4);
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("r.fifo", 0600)), OK(mkfifo("w.fifo", 0600));
    pthread_t a = t_thread(reader, 0), b = t_thread(writer, 0);
    t_await("r"), t_await("w");
    t_ms(50);
    t_go();
    int out = OK(open("r.fifo", O_WRONLY)), in = OK(open("w.fifo", O_RDONLY));
    char text[4];
    t_write(out, "data", 4);
    t_read(in, text, 4);
    MEMEQ(text, "back", 4);
    PT(pthread_join(a, NULL)), PT(pthread_join(b, NULL));
    t_pass();
}
