// tries: read, change and remove System V shared memory of the host and of another pod, by id, by key, and by guessing
// wall: the ipc namespace
// control: both
#include "attack.h"
static void one(long id)
{
    long at = sc(__NR_shmat, id, 0, 0);
    attempts++;
    if (at > -4096 && at < 0) return;
    say("attached %d: %s", id, (char *)at);
    carried_out++;
    *(volatile char *)at = '!';
    attempt("IPC_RMID", sc(__NR_shmctl, id, 0, 0));
}
ATTACK
{
    one(number("shm"));
    one(number("neighbour_shm"));
    long id = sc(__NR_shmget, number("ipc_key"), 0, 0);
    if (attempt("shmget", id)) one(id);
    long ceiling = sc(__NR_shmctl, 0, 14 /* SHM_INFO */, (char[128]){0});
    say("SHM_INFO: %d", ceiling);
    char state[256];
    for (int index = 0; index < 64; index++)
        if ((id = sc(__NR_shmctl, index, 15 /* SHM_STAT_ANY */, state)) >= 0) one(id);
    for (id = 0; id < 300; id++) one(id);
    for (id = 0; id < 64; id++) one(id << 15 | (id & 3));
    if (!carried_out) say("no segment of others is within reach");
}
