// needs: root; names: any; expect: SO_ATTACH_BPF; row: "Internet: all options"; profile: none
// A socket whose filter is an eBPF program, without any other descriptor on that.
#include "socket.h"
#include <linux/bpf.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    // r0 = 3; exit: three bytes of every datagram
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 11}, {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)code, .insn_cnt = 2, .license = (uintptr_t) "GPL"};
    int program = OK(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
    struct sockaddr_in6 a;
    socklen_t len;
    int fd = t_in_bound(AF_INET, SOCK_DGRAM, -1, &a, &len);
    t_set(fd, SOL_SOCKET, SO_ATTACH_BPF, program);
    close(program);
    t_go();
    OK(sendto(fd, "abcdefgh", 8, 0, (void *)&a, len));
    t_message(fd, "abc");
    t_pass();
}
