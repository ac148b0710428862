// needs: any; names: any; row: "Internet: all options"
// Socket filters and binding options: SO_ATTACH_FILTER, IP_FREEBIND, SO_REUSEADDR, IP_TRANSPARENT untouched, SO_RCVBUFFORCE kept.
#include "socket.h"
#include <linux/filter.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sockaddr_in6 a;
    socklen_t len;
    int r = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len), s = OK(socket(AF_INET, SOCK_DGRAM, 0));
    // Datagrams shorter than 8 + 5 bytes (header and data) are dropped.
    struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 13, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog p = {4, f};
    OK(setsockopt(r, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof p));
    t_set(s, IPPROTO_IP, IP_FREEBIND, 1);
    OK(connect(s, (void *)&a, len));
    t_go();
    EQ(t_opt(s, IPPROTO_IP, IP_FREEBIND), 1);
    t_say(s, "no"), t_say(s, "long enough");
    t_message(r, "long enough");
    char c;
    FAILS(recv(r, &c, 1, MSG_DONTWAIT), EAGAIN);
    t_pass();
}
