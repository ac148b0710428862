// needs: any; names: any; row: "Descriptors: fifos"
// A fifo with a reader alone (writer gone, data left), one blocked in open for reading and one for writing.
#include "harness.h"
static void *opener(void *arg) {
    int fd = OK(open("w", O_RDONLY));
    char c;
    t_read(fd, &c, 1);
    EQ(c, 'w');
    CHECK(t_exists("go"));
    return NULL;
}
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("r", 0600)), OK(mkfifo("w", 0600));
    int r = OK(open("r", O_RDONLY | O_NONBLOCK)), w = OK(open("r", O_WRONLY));
    t_write(w, "rest", 4);
    close(w);
    pthread_t t = t_thread(opener, NULL);
    t_ms(50);
    t_go();
    char b[8];
    EQ(OK(read(r, b, 8)), 4);
    EQ(OK(read(r, b, 8)), 0);
    int v = OK(open("w", O_WRONLY));
    t_write(v, "w", 1);
    PT(pthread_join(t, NULL));
    t_pass();
}
