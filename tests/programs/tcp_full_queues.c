// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// Both queues full: what was sent and not yet received arrives whole and in order.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2];
    t_tcp_pair(AF_INET, s);
    char b[8192];
    long sent[2] = {0, 0}, n;
    for (int k = 0; k < 2; k++) {
        OK(fcntl(s[k], F_SETFL, O_NONBLOCK));
        for (int idle = 0; idle < 20;) {
            for (size_t i = 0; i < sizeof b; i++) b[i] = t_byte(sent[k] + i, k);
            n = write(s[k], b, sizeof b);
            if (n > 0) sent[k] += n, idle = 0;
            else t_ms(2), idle++;
        }
    }
    t_go();
    long got[2] = {0, 0};
    for (int idle = 0; idle < 3000 && (got[0] < sent[1] || got[1] < sent[0]);) {
        bool moved = false;
        for (int k = 0; k < 2; k++)
            if ((n = read(s[k], b, sizeof b)) > 0) {
                for (long i = 0; i < n; i++)
                    if ((unsigned char)b[i] != t_byte(got[k] + i, !k)) FAIL("byte %ld of direction %d", got[k] + i, k);
                got[k] += n;
                moved = true;
            } else if (n == 0) FAIL("connection ended after %ld of %ld", got[k], sent[!k]);
            else if (errno != EAGAIN) FAIL("read: %s", strerror(errno));
        if (moved) idle = 0;
        else t_ms(2), idle++;
    }
    EQ(got[0], sent[1]);
    EQ(got[1], sent[0]);
    OK(fcntl(s[0], F_SETFL, 0)), OK(fcntl(s[1], F_SETFL, 0));
    t_say(s[0], "still open"), t_stream(s[1], "still open");
    t_pass();
}
