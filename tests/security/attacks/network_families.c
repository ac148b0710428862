// tries: families of sockets that reach the machine, its hypervisor, its radio or old code of the kernel
// wall: seccomp
// control: both
#include "attack.h"
ATTACK
{
    static const struct { const char *name; int family, type, protocol; } kinds[] = {
        {"AF_VSOCK", 40, SOCK_STREAM, 0}, {"AF_ALG", 38, SOCK_SEQPACKET, 0}, {"AF_KEY", 15, SOCK_RAW, 2}, {"AF_XDP", 44, SOCK_RAW, 0},
        {"AF_BLUETOOTH", 31, SOCK_RAW, 1}, {"AF_CAN", 29, SOCK_RAW, 1}, {"AF_TIPC", 30, SOCK_SEQPACKET, 0}, {"AF_RDS", 21, SOCK_SEQPACKET, 0},
        {"AF_X25", 9, SOCK_SEQPACKET, 0}, {"AF_SMC", 43, SOCK_STREAM, 0}, {"AF_KCM", 41, SOCK_SEQPACKET, 0}, {"AF_QIPCRTR", 42, SOCK_DGRAM, 0},
    };
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) gain(kinds[i].name, sc(__NR_socket, kinds[i].family, kinds[i].type, kinds[i].protocol));
}
