// tries: change and remove System V semaphores of the host and of another pod
// wall: the ipc namespace
// control: both
#include "attack.h"
static void one(long id)
{
    attempt("SETVAL", sc(__NR_semctl, id, 0, 16, 77));
    attempt("IPC_RMID", sc(__NR_semctl, id, 0, 0, 0));
}
ATTACK
{
    char state[256];
    one(number("sem"));
    one(number("neighbour_sem"));
    long id = sc(__NR_semget, number("ipc_key"), 0, 0);
    if (attempt("semget", id)) one(id);
    for (int index = 0; index < 64; index++)
        if ((id = sc(__NR_semctl, index, 0, 20 /* SEM_STAT_ANY */, state)) >= 0) one(id);
}
