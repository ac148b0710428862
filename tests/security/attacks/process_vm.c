// tries: read and overwrite the memory of a process outside by process_vm_readv(2) and process_vm_writev(2)
// wall: seccomp, the pid namespace, Landlock's ptrace rule
// control: both
#include "attack.h"
ATTACK
{
    char data[33] = {0};
    const char *const who[] = {"victim", "neighbour"};
    for (int w = 0; w < 2; w++) {
        struct iovec here = {data, 32}, there = {(void *)number("address"), 32};
        if (attempt("process_vm_readv", sc(__NR_process_vm_readv, number(who[w]), &here, 1, &there, 1, 0))) say("%s", data);
        here.iov_base = "gotcha", here.iov_len = there.iov_len = 6;
        attempt("process_vm_writev", sc(__NR_process_vm_writev, number(who[w]), &here, 1, &there, 1, 0));
    }
}
