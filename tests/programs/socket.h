// What the socket programs share: addresses and descriptors in messages.
#ifndef AUTOPOD_TEST_SOCKET_H
#define AUTOPOD_TEST_SOCKET_H
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

__attribute__((unused)) static struct sockaddr_un t_un(const char *path) {
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    snprintf(u.sun_path, sizeof u.sun_path, "%s", path);
    return u;
}
__attribute__((unused)) static int t_un_bound(const char *path, int type, int backlog) {
    int fd = OK(socket(AF_UNIX, type, 0));
    struct sockaddr_un u = t_un(path);
    OK(bind(fd, (void *)&u, sizeof u));
    if (backlog >= 0) OK(listen(fd, backlog));
    return fd;
}
__attribute__((unused)) static int t_un_connected(const char *path, int type) {
    int fd = OK(socket(AF_UNIX, type, 0));
    struct sockaddr_un u = t_un(path);
    OK(connect(fd, (void *)&u, sizeof u));
    return fd;
}
// A loopback socket of a family on a port of the kernel's choice; backlog -1: not listening.
__attribute__((unused)) static int t_in_bound(int family, int type, int backlog, struct sockaddr_in6 *out, socklen_t *len) {
    int fd = OK(socket(family, type, 0));
    memset(out, 0, sizeof *out);
    out->sin6_family = family;
    if (family == AF_INET) ((struct sockaddr_in *)out)->sin_addr.s_addr = htonl(INADDR_LOOPBACK), *len = sizeof(struct sockaddr_in);
    else out->sin6_addr = in6addr_loopback, *len = sizeof *out;
    OK(bind(fd, (void *)out, *len));
    if (backlog >= 0) OK(listen(fd, backlog));
    OK(getsockname(fd, (void *)out, len));
    return fd;
}
// A connected TCP pair over loopback: s[0] connected, s[1] accepted.
__attribute__((unused)) static void t_tcp_pair(int family, int s[2]) {
    struct sockaddr_in6 a;
    socklen_t len;
    int l = t_in_bound(family, SOCK_STREAM, 5, &a, &len);
    s[0] = OK(socket(family, SOCK_STREAM, 0));
    OK(connect(s[0], (void *)&a, len));
    s[1] = OK(accept(l, NULL, NULL));
    close(l);
}
// Sends bytes with descriptors.
__attribute__((unused)) static void t_send_fds(int sock, const char *data, size_t len, const int *fds, int n) {
    char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
    struct iovec v = {(void *)data, len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET, h->cmsg_type = SCM_RIGHTS, h->cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
    OK(sendmsg(sock, &m, 0));
}
// Receives bytes, and descriptors and credentials that come with them; returns the number of descriptors.
__attribute__((unused)) static int t_recv_fds(int sock, char *data, size_t size, ssize_t *got, int *fds, int max, struct ucred *cred) {
    char control[2048];
    struct iovec v = {data, size};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    *got = OK(recvmsg(sock, &m, MSG_DONTWAIT));
    int n = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level != SOL_SOCKET) continue;
        if (h->cmsg_type == SCM_RIGHTS)
            for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) && n < max; i++)
                memcpy(&fds[n++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
        if (h->cmsg_type == SCM_CREDENTIALS && cred) memcpy(cred, CMSG_DATA(h), sizeof *cred);
    }
    return n;
}
// One message of a datagram or packet socket.
__attribute__((unused)) static void t_message_at(int line, int fd, const char *want) {
    char b[65536] = {0};
    ssize_t n = recv(fd, b, sizeof b - 1, MSG_DONTWAIT);
    if (n < 0) t_fail(line, "no message \"%s\": %s", want, strerror(errno));
    if (n != (ssize_t)strlen(want) || memcmp(b, want, n)) t_fail(line, "message: expected \"%s\", actual \"%s\" (%zd)", want, b, n);
}
#define t_message(fd, want) t_message_at(__LINE__, fd, want)
// Bytes of a stream that must already be there.
__attribute__((unused)) static void t_stream_at(int line, int fd, const char *want) {
    char b[4096];
    size_t n = strlen(want);
    ssize_t got = recv(fd, b, n, MSG_WAITALL);
    if (got != (ssize_t)n || memcmp(b, want, n)) t_fail(line, "stream: expected \"%s\", actual \"%.*s\" (%zd)", want, (int)(got > 0 ? got : 0), b, got);
}
#define t_stream(fd, want) t_stream_at(__LINE__, fd, want)
#define t_say(fd, text) t_write(fd, text, strlen(text))
__attribute__((unused)) static int t_opt(int fd, int level, int name) {
    int v = 0;
    socklen_t len = sizeof v;
    OK(getsockopt(fd, level, name, &v, &len));
    return v;
}
__attribute__((unused)) static void t_set(int fd, int level, int name, int v) { OK(setsockopt(fd, level, name, &v, sizeof v)); }
#endif
