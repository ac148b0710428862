// needs: any; names: any; row: "Descriptors: pipes with data, size, packet mode"
// Five processes pass a counter around a ring of pipes all the time; none is lost or doubled.
#include "harness.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    enum { N = 5 };
    int ring[N][2];
    pid_t kids[N];
    for (int i = 0; i < N; i++) OK(pipe(ring[i]));
    for (int i = 0; i < N; i++)
        if (!(kids[i] = t_fork())) {
            for (int j = 0; j < N; j++) {
                if (j != i) close(ring[j][0]);
                if (j != (i + 1) % N) close(ring[j][1]);
            }
            for (long n = 0, expected = -1;; expected = n + N) {
                t_read(ring[i][0], &n, sizeof n);
                if (n < 0) {
                    if (write(ring[(i + 1) % N][1], &n, sizeof n) < 0) _exit(0);
                    _exit(0);
                }
                if (expected >= 0) EQ(n, expected);
                n++;
                t_write(ring[(i + 1) % N][1], &n, sizeof n);
                n--;
            }
        }
    signal(SIGPIPE, SIG_IGN);
    long zero = 0;
    t_write(ring[0][1], &zero, sizeof zero);
    t_go();
    t_ms(100);
    long end = -1;
    t_write(ring[0][1], &end, sizeof end);
    for (int i = 0; i < N; i++) close(ring[i][0]), close(ring[i][1]);
    for (int i = 0; i < N; i++) {
        int status;
        EQ(OK(waitpid(kids[i], &status, 0)), kids[i]);
        CHECK(status == 0 || WTERMSIG(status) == SIGPIPE);
    }
    t_pass();
}
