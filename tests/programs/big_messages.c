// needs: any; names: any; slow; row: "IPC: SysV msg (queue contents, types)"
// 5000 queued messages, in order and by type, and 200 datagrams.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
enum { COUNT = 5000, DATAGRAMS = 200 };
int main(int argc, char **argv) {
    t_start(argc, argv);
    int queue = OK(msgget(IPC_PRIVATE, 0600));
    struct {
        long type;
        char text[3];
    } message;
    for (int i = 0; i < COUNT; i++) {
        message.type = i % 5 + 1;
        memcpy(message.text, (char[]){i & 255, i >> 8, 7}, 3);
        OK(msgsnd(queue, &message, 3, IPC_NOWAIT));
    }
    int pair[2], size = 1 << 20;
    OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    OK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    for (int i = 0; i < DATAGRAMS; i++) EQ(OK(send(pair[0], &i, sizeof i, MSG_DONTWAIT)), sizeof i);
    t_go();
    for (int type = 1; type <= 5; type++)
        for (int i = type - 1; i < COUNT; i += 5) {
            EQ(OK(msgrcv(queue, &message, 3, type, IPC_NOWAIT)), 3);
            EQ((unsigned char)message.text[0] | message.text[1] << 8, i);
            EQ(message.text[2], 7);
        }
    FAILS(msgrcv(queue, &message, 3, 0, IPC_NOWAIT), ENOMSG);
    for (int i = 0, got; i < DATAGRAMS; i++) {
        EQ(OK(recv(pair[1], &got, sizeof got, MSG_DONTWAIT)), sizeof got);
        EQ(got, i);
    }
    OK(msgctl(queue, IPC_RMID, NULL));
    t_pass();
}
