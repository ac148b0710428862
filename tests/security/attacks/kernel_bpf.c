// tries: programs and maps in the kernel: bpf(2)
// wall: seccomp
// control: root
#include "attack.h"
ATTACK
{
    struct { unsigned type, key, value, entries, rest[28]; } map = {2 /* array */, 4, 4, 1, {0}};
    gain("BPF_MAP_CREATE", sc(__NR_bpf, 0, &map, sizeof map));
    uint64_t code[] = {0xb7, 0x95};
    struct { unsigned type, count; uint64_t code, license; unsigned rest[30]; } program = {1, 2, (uint64_t)code, (uint64_t)"GPL", {0}};
    gain("BPF_PROG_LOAD", sc(__NR_bpf, 5, &program, sizeof program));
}
