// tries: give the host's interfaces an address and take them down (rtnetlink, SIOCSIFFLAGS)
// wall: capabilities
// control: root
#include "attack.h"
ATTACK
{
    long fd = sc(__NR_socket, 16 /* AF_NETLINK */, SOCK_RAW, 0);
    if (attempt("socket", fd)) {
        struct {
            unsigned length; unsigned short type, flags; unsigned sequence, port;
            unsigned char family, prefix, address_flags, scope; unsigned index;
            unsigned short size, kind; unsigned char address[4];
        } add = {32, 20 /* RTM_NEWADDR */, 5 | 0x600, 1, 0, AF_INET, 32, 0, 0, 1, 8, 2 /* IFA_LOCAL */, {10, 99, 99, 1}};
        char answer[512] = {0};
        sc(__NR_sendto, fd, &add, sizeof add, 0, 0, 0);
        long n = sc(__NR_recvfrom, fd, answer, sizeof answer, MSG_DONTWAIT, 0, 0);
        attempt("RTM_NEWADDR", n < 20 ? -EIO : *(int *)(answer + 16));
    }
    struct { char name[16]; short flags; char rest[22]; } request = {"lo", 0, {0}};
    fd = sc(__NR_socket, AF_INET, SOCK_DGRAM, 0);
    attempt("SIOCSIFFLAGS", fd < 0 ? fd : sc(__NR_ioctl, fd, 0x8914, &request));
}
