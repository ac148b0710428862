// needs: any; names: any; row: "Unix sockets: listening with backlog and pending connections"
// Listening stream and packet sockets with connections not yet accepted, data in them, some closed by the client already.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    int l = t_un_bound("l", SOCK_STREAM, 8), q = t_un_bound("q", SOCK_SEQPACKET, 8);
    int a = t_un_connected("l", SOCK_STREAM), gone = t_un_connected("l", SOCK_STREAM), b = t_un_connected("q", SOCK_SEQPACKET);
    t_say(a, "early data"), t_say(gone, "last words"), t_say(b, "one"), t_say(b, "two");
    close(gone);
    t_go();
    EQ(t_opt(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
    OK(fcntl(l, F_SETFL, O_NONBLOCK)), OK(fcntl(q, F_SETFL, O_NONBLOCK));
    int s = OK(accept(l, NULL, NULL)), t = OK(accept(l, NULL, NULL)), u = OK(accept(q, NULL, NULL));
    FAILS(accept(l, NULL, NULL), EAGAIN);
    t_stream(s, "early data");
    t_say(s, "answer"), t_stream(a, "answer");
    t_stream(t, "last words");
    char c;
    EQ(read(t, &c, 1), 0);
    t_message(u, "one"), t_message(u, "two");
    t_say(u, "back"), t_message(b, "back");
    struct sockaddr_un n;
    socklen_t len = sizeof n;
    OK(getpeername(a, (void *)&n, &len));
    STREQ(n.sun_path, "l");
    int d = t_un_connected("l", SOCK_STREAM), e = OK(accept(l, NULL, NULL));
    t_say(d, "new"), t_stream(e, "new");
    t_pass();
}
