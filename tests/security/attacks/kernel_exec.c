// tries: load another kernel: kexec_load, kexec_file_load
// wall: seccomp, capabilities
// control: root
// unless: ENOSYS this kernel is built without kexec
#include "attack.h"
ATTACK
{
    gate("kexec_load", sc(__NR_kexec_load, 0, 99999, 0, 0));
    gate("kexec_file_load", sc(__NR_kexec_file_load, -1, -1, 0, 0, -1));
}
