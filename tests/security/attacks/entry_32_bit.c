// tries: refused calls by their 32-bit entry: int 0x80 (mount, reboot, settimeofday, ptrace, bpf, keyctl, add_key)
// wall: seccomp
// control: both
// unless: EFAULT,ENOSYS this kernel has no 32-bit entry
#include "attack.h"
static long old(long n, long a, long b, long c, long d, long e)
{
    long ret;
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory", "r8", "r9", "r10", "r11");
    return (int)ret;
}
ATTACK
{
    gate("reboot", old(88, (int)0xfee1dead, 672274793, (int)0x89abcdef, 0, 0));
    gate("settimeofday", old(79, 1, 0, 0, 0, 0));
    gate("mount", old(21, 1, 1, 0, 0, 0));
    gate("setns", old(346, -1, 0, 0, 0, 0));
    gate("bpf", old(357, 0, 0, 0, 0, 0));
    gate("init_module", old(128, 0, 0, 0, 0, 0));
    // Allowed to everybody where there is no filter: harm enough that a filter for 64 bits does not see it.
    gain("keyctl", old(288, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 1, 0, 0));
    attempt("kill", old(37, (int)number("victim"), SIGTERM, 0, 0, 0));
}
