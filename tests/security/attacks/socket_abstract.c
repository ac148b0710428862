// tries: talk to the host's services by abstract unix sockets, stream and datagram
// wall: Landlock's scope of abstract sockets
// control: both
#include "attack.h"
ATTACK
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *const names[] = {"abstract", "abstract_datagram"};
    for (int i = 0; i < 2; i++) {
        const char *name = text(names[i]);
        memcpy(to.sun_path + 1, name, length(name));
        long fd = sc(__NR_socket, AF_UNIX, i ? SOCK_DGRAM : SOCK_STREAM, 0), size = 3 + (long)length(name);
        if (fd < 0) { attempt("socket", fd); continue; }
        if (attempt("connect", sc(__NR_connect, fd, &to, size))) sc(__NR_write, fd, "hello", 5);
        if (i) attempt("sendto", sc(__NR_sendto, fd, "hello", 5, 0, &to, size));
    }
}
