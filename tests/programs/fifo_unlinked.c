// needs: any; names: any; row: "Descriptors: fifos"
// Unlinked fifos: a writer alone, a reader alone, and one whose name is a different fifo now.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    OK(mkfifo("a", 0640)), OK(mkfifo("b", 0600));
    int r = OK(open("a", O_RDONLY | O_NONBLOCK)), w = OK(open("a", O_WRONLY)), rw = OK(open("b", O_RDWR));
    t_write(w, "one", 3), t_write(rw, "two", 3);
    int wb = OK(open("b", O_WRONLY));
    OK(unlink("a")), OK(unlink("b")), OK(mkfifo("b", 0600));
    close(r);
    t_go();
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(w, "x", 1), EPIPE);
    struct stat st, other;
    OK(fstat(w, &st));
    CHECK(S_ISFIFO(st.st_mode));
    EQ(st.st_nlink, 0), EQ(st.st_mode & 0777, 0640);
    OK(fstat(rw, &st)), OK(stat("b", &other));
    CHECK(st.st_ino != other.st_ino);
    t_write(wb, "three", 5);
    char b[9] = {0};
    EQ(OK(read(rw, b, 8)), 8);
    STREQ(b, "twothree");
    t_pass();
}
