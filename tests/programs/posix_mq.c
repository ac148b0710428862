// needs: any; names: any; row: "IPC: POSIX mq (contents, notify)"
// Message queues: attributes, messages with priorities, flags, an unlinked one, notification registered.
#include "harness.h"
#include <mqueue.h>
static volatile int notified;
static void handler(int s, siginfo_t *si, void *c) { notified = si->si_value.sival_int; }
int main(int argc, char **argv) {
    t_start(argc, argv);
    struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    OK(sigaction(SIGRTMIN + 2, &a, NULL));
    char *name = strdup(t_text("/autopod-%d", getpid())), *other = strdup(t_text("/autopod-%d-n", getpid()));
    struct mq_attr at = {.mq_maxmsg = 8, .mq_msgsize = 120}, now;
    mqd_t q = OK(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0640, &at)), gone = OK(mq_open(other, O_RDWR | O_CREAT, 0600, &at));
    OK(mq_unlink(other));
    for (int i = 0; i < 6; i++) OK(mq_send(q, t_text("m%d", i), 2, i * 7 % 5));
    OK(mq_send(gone, "gone", 4, 3));
    mqd_t n = OK(mq_open(other, O_RDWR | O_CREAT, 0600, &at));
    OK(mq_unlink(other));
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 31};
    OK(mq_notify(n, &e));
    t_go();
    OK(mq_getattr(q, &now));
    EQ(now.mq_maxmsg, 8), EQ(now.mq_msgsize, 120), EQ(now.mq_curmsgs, 6), EQ(now.mq_flags, O_NONBLOCK);
    static const int order[6] = {2, 4, 1, 3, 0, 5};
    char b[120];
    unsigned prio;
    for (int i = 0; i < 6; i++) {
        EQ(OK(mq_receive(q, b, sizeof b, &prio)), 2);
        MEMEQ(b, t_text("m%d", order[i]), 2);
        EQ(prio, order[i] * 7 % 5);
    }
    FAILS(mq_receive(q, b, sizeof b, NULL), EAGAIN);
    EQ(OK(mq_receive(gone, b, sizeof b, &prio)), 4);
    EQ(prio, 3);
    EQ(notified, 0);
    OK(mq_send(n, "x", 1, 0));
    for (int i = 0; i < 300 && !notified; i++) t_ms(10);
    EQ(notified, 31);
    mqd_t again = OK(mq_open(name, O_RDWR));
    OK(mq_getattr(again, &now));
    EQ(now.mq_maxmsg, 8);
    OK(mq_unlink(name));
    t_pass();
}
