// needs: any; names: any; expect: TCP_MD5SIG; row: "Internet: all options"
// A key for signed TCP segments, as routing daemons set it: the kernel does not give it back.
#include "socket.h"
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int fd = t_in_bound(AF_INET, SOCK_STREAM, 5, &a, &len);
    struct tcp_md5sig key = {.tcpm_keylen = 6, .tcpm_key = "secret"};
    memcpy(&key.tcpm_addr, &a, len);
    OK(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key));
    int client = OK(socket(AF_INET, SOCK_STREAM, 0));
    OK(setsockopt(client, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key));
    t_go();
    OK(connect(client, (void *)&a, len));
    t_say(client, "signed");
    t_stream(OK(accept(fd, NULL, NULL)), "signed");
    t_pass();
}
