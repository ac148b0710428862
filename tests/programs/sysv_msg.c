// needs: any; names: any; row: "IPC: SysV msg (queue contents, types)"
// Message queues: types, order, an empty and a large message, size limit, last sender; received by type.
#include "harness.h"
#include <sys/ipc.h>
#include <sys/msg.h>
static struct {
    long type;
    char text[8192];
} m;
int main(int argc, char **argv) {
    t_start(argc, argv);
    key_t key = 0x41520000 + getpid() % 0x10000;
    int id = OK(msgget(key, IPC_CREAT | IPC_EXCL | 0620));
    for (int i = 0; i < 30; i++) {
        m.type = i % 3 + 1;
        OK(msgsnd(id, &m, sprintf(m.text, "message %d", i), 0));
    }
    m.type = 9, OK(msgsnd(id, &m, 0, 0));
    m.type = 0x7fffffffffff;
    t_fill(m.text, 5000, 4);
    OK(msgsnd(id, &m, 5000, 0));
    struct msqid_ds ds;
    OK(msgctl(id, IPC_STAT, &ds));
    ds.msg_qbytes = 12000, OK(msgctl(id, IPC_SET, &ds));
    t_go();
    EQ(msgget(key, 0), id);
    OK(msgctl(id, IPC_STAT, &ds));
    EQ(ds.msg_qnum, 32), EQ(ds.msg_qbytes, 12000), EQ(ds.msg_lspid, getpid()), EQ(ds.msg_perm.mode & 0777, 0620), EQ(ds.msg_perm.__key, key);
    EQ(OK(msgrcv(id, &m, sizeof m.text, 0x7fffffffffff, IPC_NOWAIT)), 5000);
    t_same(m.text, 5000, 4);
    EQ(OK(msgrcv(id, &m, sizeof m.text, 9, IPC_NOWAIT)), 0);
    for (int i = 1; i < 30; i += 3) {
        EQ(OK(msgrcv(id, &m, sizeof m.text, 2, IPC_NOWAIT)), strlen(t_text("message %d", i)));
        MEMEQ(m.text, t_text("message %d", i), strlen(t_text("message %d", i)));
    }
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 1) continue;
        OK(msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT));
        EQ(m.type, i % 3 + 1);
        MEMEQ(m.text, t_text("message %d", i), strlen(t_text("message %d", i)));
    }
    FAILS(msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT), ENOMSG);
    OK(msgctl(id, IPC_RMID, NULL));
    t_pass();
}
