// needs: any; names: any; slow; row: "IPC: SysV msg (queue contents, types)"
// 5,000 small messages in SysV queues and socket queues.
#include "socket.h"
#include <sys/ipc.h>
#include <sys/msg.h>
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct {
        long type;
        int n;
    } m;
    int q[10], s[2];
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    for (int i = 0; i < 10; i++) {
        q[i] = OK(msgget(IPC_PRIVATE, 0600));
        for (m.n = 0; m.n < 500; m.n++) m.type = m.n + 1, OK(msgsnd(q[i], &m, sizeof m.n, 0));
    }
    for (int i = 0; i < 200; i++) OK(send(s[0], &i, sizeof i, 0));
    t_go();
    for (int i = 0; i < 10; i++) {
        for (int n = 0; n < 500; n++) {
            OK(msgrcv(q[i], &m, sizeof m.n, 0, IPC_NOWAIT));
            EQ(m.n, n), EQ(m.type, n + 1);
        }
        FAILS(msgrcv(q[i], &m, sizeof m.n, 0, IPC_NOWAIT), ENOMSG);
        OK(msgctl(q[i], IPC_RMID, NULL));
    }
    for (int i = 0, n; i < 200; i++) {
        EQ(OK(recv(s[1], &n, sizeof n, MSG_WAITALL)), sizeof n);
        EQ(n, i);
    }
    t_pass();
}
