// tries: read and remove System V message queues of the host and of another pod
// wall: the ipc namespace
// control: both
#include "attack.h"
static void one(long id)
{
    struct { long type; char text[64]; } message = {0};
    if (attempt("msgrcv", sc(__NR_msgrcv, id, &message, 63, 0, 04000 /* IPC_NOWAIT */))) say("%s", message.text);
    attempt("IPC_RMID", sc(__NR_msgctl, id, 0, 0));
}
ATTACK
{
    char state[256];
    one(number("msg"));
    one(number("neighbour_msg"));
    long id = sc(__NR_msgget, number("ipc_key"), 0);
    if (attempt("msgget", id)) one(id);
    for (int index = 0; index < 64; index++)
        if ((id = sc(__NR_msgctl, index, 13 /* MSG_STAT_ANY */, state)) >= 0) one(id);
}
