// needs: any; names: any; row: "Internet: established (both queues, window, timestamps, sack, mss, half closed, FIN states)"
// Urgent data not yet read.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int s[2];
    t_tcp_pair(AF_INET, s);
    t_say(s[0], "abc"), OK(send(s[0], "!", 1, MSG_OOB)), t_say(s[0], "def");
    t_ms(30);
    t_go();
    char c = 0;
    EQ(OK(recv(s[1], &c, 1, MSG_OOB)), 1);
    EQ(c, '!');
    t_stream(s[1], "abc");
    EQ(sockatmark(s[1]), 1);
    t_stream(s[1], "def");
    t_pass();
}
