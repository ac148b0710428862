// tries: get capabilities back that the pod has not: capset, ambient ones, securebits
// wall: the bounding set, no_new_privs
// control: none nobody gets back what his bounding set does not have; that root has them is what other controls show
#include "attack.h"
ATTACK
{
    struct { unsigned version; int pid; } header = {0x20080522, 0};
    struct { unsigned effective, permitted, inheritable; } data[2] = {{~0U, ~0U, ~0U}, {~0U, ~0U, ~0U}};
    gain("capset", sc(__NR_capset, &header, data));
    // SYS_ADMIN, SYS_MODULE, SYS_RAWIO, SYS_BOOT, SYS_TIME, SYS_PTRACE, DAC_READ_SEARCH, NET_ADMIN, MKNOD
    static const int worst[] = {21, 16, 17, 22, 25, 19, 2, 12, 27};
    if (text_or("native", NULL)) return;
    for (int i = 0; i < 9; i++) {
        long has = sc(__NR_prctl, 23 /* PR_CAPBSET_READ */, worst[i]);
        struct { unsigned e, p, i; } mine[2];
        sc(__NR_capget, &header, mine);
        say("capability %d: bounding %d, permitted %d", (long)worst[i], has, (long)(mine[0].p >> worst[i] & 1));
        gain("ambient", sc(__NR_prctl, 47, 2, worst[i], 0, 0));
    }
}
