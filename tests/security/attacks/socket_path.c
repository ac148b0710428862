// tries: talk to the host's services by unix sockets with paths
// wall: the view
// control: both
// needs: tree
#include "attack.h"
ATTACK
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *name = text("service");
    memcpy(to.sun_path, name, length(name));
    long fd = sc(__NR_socket, AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) cannot("socket", fd);
    if (attempt("connect", sc(__NR_connect, fd, &to, sizeof to))) sc(__NR_write, fd, "hello", 5);
}
