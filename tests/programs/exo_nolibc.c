// needs: any; names: kernel; flags: -static -nostdlib -nostartfiles -ffreestanding -fno-stack-protector; row: "Process: exe, argv/env/auxv areas, brk, dumpable, THP flag, personality"
// A program without any C library: raw calls only, its own robust list and thread area, no rseq.
typedef unsigned long u64;
static long call(long nr, u64 a, u64 b, u64 c, u64 d) {
    long ret;
    register u64 r10 asm("r10") = d;
    asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return ret;
}
static u64 list[3], area[8];
static int clear_here;
static void put(const char *name, const char *text, u64 len) {
    long fd = call(2, (u64)name, 0101, 0666, 0);
    call(1, fd, (u64)text, len, 0);
    call(3, fd, 0, 0, 0);
}
static void end(int good) {
    if (good) put("result", "PASS\n", 5);
    else put("result", "FAIL: something differs\n", 24);
    call(231, 0, 0, 0, 0);
}
__attribute__((used)) void entry(u64 *stack) {
    const char *dir = (const char *)stack[3];
    call(80, (u64)dir, 0, 0, 0);
    if (call(57, 0, 0, 0, 0)) call(231, 0, 0, 0, 0);
    call(112, 0, 0, 0, 0);
    call(33, call(2, (u64) "/dev/null", 2, 0, 0), 0, 0, 0);
    list[0] = (u64)list;
    call(273, (u64)list, 24, 0, 0);          // set_robust_list
    area[3] = 0x1234567;
    call(158, 0x1002, (u64)area, 0, 0);      // ARCH_SET_FS
    call(158, 0x1001, (u64)(area + 1), 0, 0); // ARCH_SET_GS
    long tid = call(218, (u64)&clear_here, 0, 0, 0);
    long pid = call(39, 0, 0, 0, 0), sid = call(124, 0, 0, 0, 0);
    put("ready", "1\n", 2);
    for (;;) {
        u64 ts[2] = {0, 10000000};
        call(35, (u64)ts, 0, 0, 0);
        if (call(21, (u64) "go", 0, 0, 0) == 0) break;
    }
    u64 head = 0, len = 0, fs = 0, gs = 0, v;
    call(274, 0, (u64)&head, (u64)&len, 0);
    call(158, 0x1003, (u64)&fs, 0, 0);
    call(158, 0x1004, (u64)&gs, 0, 0);
    asm volatile("mov %%gs:16, %0" : "=r"(v));
    end(head == (u64)list && len == 24 && fs == (u64)area && gs == (u64)(area + 1) && v == 0x1234567 && pid == call(39, 0, 0, 0, 0) &&
        tid == call(186, 0, 0, 0, 0) && sid == call(124, 0, 0, 0, 0) && sid == pid);
}
asm(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call entry\n");
