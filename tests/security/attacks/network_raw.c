// tries: raw and packet sockets: forge and overhear the host's traffic
// wall: seccomp, capabilities
// control: root
#include "attack.h"
ATTACK
{
    gain("raw", sc(__NR_socket, AF_INET, SOCK_RAW, 1));
    gain("raw 6", sc(__NR_socket, AF_INET6, SOCK_RAW, 58));
    gain("packet", sc(__NR_socket, 17 /* AF_PACKET */, SOCK_RAW, 0x300));
    gain("packet datagram", sc(__NR_socket, 17, SOCK_DGRAM, 0x300));
}
